const lib = require('lib')
const { deep } = require('lib/deep')
console.log(lib(2), deep)
