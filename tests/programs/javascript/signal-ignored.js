process.on('SIGTERM', () => console.log('not today'))
process.kill(process.pid, 'SIGTERM')
setTimeout(() => console.log('end'), 20)
