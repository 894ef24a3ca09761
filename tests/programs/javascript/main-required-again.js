console.log('run', require.main === module, typeof require('./main.js'))
console.log(require('./main') === module.exports, Object.keys(require.cache).length)
