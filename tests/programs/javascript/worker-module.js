import { Worker, isMainThread, parentPort } from 'node:worker_threads'
if (isMainThread) {
  const w = new Worker(new URL(import.meta.url))
  console.log(await new Promise((r) => w.once('message', r)))
  await w.terminate()
  const shared = new Int32Array(new SharedArrayBuffer(4))
  Atomics.add(shared, 0, 5)
  console.log(Atomics.load(shared, 0), Atomics.wait(shared, 0, 5, 1))
} else parentPort.postMessage(process.argv.length)
