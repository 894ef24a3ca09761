const { fork } = require('child_process')
if (process.argv[2] === 'child') {
  process.on('message', (m) => {
    process.send({ got: m, execArgv: process.execArgv, argv: process.argv.slice(2) })
    process.disconnect()
  })
} else {
  const child = fork(__filename, ['child'])
  child.on('message', (m) => console.log(m))
  child.on('exit', (code) => console.log('exit', code))
  child.send({ hello: 1 })
}
