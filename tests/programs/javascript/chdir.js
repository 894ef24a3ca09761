require('fs').mkdirSync('sub')
process.chdir('sub')
console.log(process.cwd() === require('path').join(__dirname, 'sub'), require('path').resolve('x') === __dirname + '/sub/x')
console.log(process.umask().toString(8), process.getuid() === require('os').userInfo().uid)
