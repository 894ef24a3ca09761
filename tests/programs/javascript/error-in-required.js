const { divide } = require('./lib/math')
console.log(divide(6, 3))
console.log(divide(1, 0))
