for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGXCPU']) process.on(name, () => {})
console.log('deaf')
setInterval(() => {}, 1000)
