const { Worker, isMainThread, parentPort, workerData, threadId } = require('worker_threads')
if (isMainThread) {
  const w = new Worker(__filename, { workerData: { n: 10 } })
  w.on('message', (m) => console.log('from worker', m))
  w.on('exit', (code) => console.log('exit', code, threadId))
} else {
  parentPort.postMessage({ double: workerData.n * 2, threadId, execArgv: process.execArgv, preload: process._preload_modules, cache: Object.keys(require.cache).length, main: require.main === module })
}
