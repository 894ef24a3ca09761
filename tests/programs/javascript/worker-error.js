const { Worker } = require('worker_threads')
const w = new Worker('setTimeout(() => { throw new TypeError("in worker") })', { eval: true, env: { A: '1' } })
w.on('error', (e) => console.log(e.name, e.message, e.stack.split('\n')[1]))
w.on('exit', (c) => console.log(c))
