process.on('exit', (code) => {
  console.log('first', code, process.exitCode)
  process.on('exit', () => console.log('never'))
})
process.on('exit', () => console.log('second'))
process.on('beforeExit', () => console.log('before exit'))
console.log('main')
