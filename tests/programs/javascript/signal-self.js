process.on('SIGUSR2', (name, number) => {
  console.log(name, number)
  process.kill(process.pid, 'SIGTERM')
  setTimeout(() => {}, 1000)
})
process.kill(process.pid, 'SIGUSR2')
setTimeout(() => {}, 1000)
