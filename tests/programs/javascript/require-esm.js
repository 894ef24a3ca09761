const m = require('./mod.mjs')
console.log(m, m.__esModule, m.x)
