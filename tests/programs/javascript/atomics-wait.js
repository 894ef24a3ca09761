// Threads that wait for each other, and one that nobody wakes.
const { Worker } = require('node:worker_threads')
const shared = new Int32Array(new SharedArrayBuffer(16))
const worker = new Worker(
  `const { workerData } = require('node:worker_threads')
   Atomics.store(workerData, 3, Atomics.wait(workerData, 0, 0) === 'ok' ? 1 : 2)
   Atomics.store(workerData, 1, 41)
   Atomics.notify(workerData, 1)`,
  { eval: true, workerData: shared },
)
worker.on('online', () => {
  const nobody = Atomics.wait(shared, 2, 0, 20)
  const waiting = setInterval(() => {
    if (Atomics.notify(shared, 0) === 0) return
    clearInterval(waiting)
    Atomics.wait(shared, 1, 0)
    console.log('answer', shared[1] + 1, nobody)
  }, 5)
})
worker.on('exit', (code) => console.log('exit', code, shared[3]))
