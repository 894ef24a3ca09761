console.log(process.argv.length, process.argv.slice(2), process.argv[1] === __filename, process.argv[0] === process.execPath)
console.log(process.argv0, process.execArgv, process.title, process.argv[1])
const { parseArgs } = require('util')
console.log(parseArgs({ options: { name: { type: 'string', short: 'n' }, v: { type: 'boolean' } }, allowPositionals: true }))
