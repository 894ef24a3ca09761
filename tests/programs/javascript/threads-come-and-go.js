// Threads of every kind, one after the other, and then an exit that takes the runtime down with some still there.
const { Worker } = require('node:worker_threads')
const { readFile } = require('node:fs/promises')
const { pbkdf2 } = require('node:crypto')
const { promisify } = require('node:util')
const { gzip } = require('node:zlib')

const inWorker = (source) =>
  new Promise((resolve, reject) => {
    const worker = new Worker(source, { eval: true })
    worker.once('message', (value) => worker.terminate().then(() => resolve(value)))
    worker.once('error', reject)
  })

async function main() {
  for (let round = 0; round < 4; round++) {
    const sums = await Promise.all(
      [1, 2].map((n) => inWorker(`require('node:worker_threads').parentPort.postMessage(${n} * ${round})`)),
    )
    const texts = await Promise.all(Array.from({ length: 6 }, () => readFile(__filename, 'utf8')))
    const key = await promisify(pbkdf2)('secret', 'salt', 10, 8, 'sha256')
    const packed = await promisify(gzip)('a'.repeat(1000))
    console.log(round, sums, texts.every((text) => text.startsWith('// Threads')), key.toString('hex'), packed.length < 100)
  }
  new Worker('setInterval(() => {}, 1000)', { eval: true }).once('online', () => process.exit(7))
}

main()
