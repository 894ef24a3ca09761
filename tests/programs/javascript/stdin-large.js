const data = require('fs').readFileSync(0)
let sum = 0
let value = 0
for (const byte of data) {
  if (byte >= 48) value = value * 10 + byte - 48
  else {
    sum += value
    value = 0
  }
}
console.log(sum, data.length)
