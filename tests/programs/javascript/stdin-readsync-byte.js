const fs = require('fs')
const one = Buffer.alloc(1)
function readLine() {
  let line = ''
  while (fs.readSync(0, one, 0, 1, null) === 1) {
    if (one[0] === 10) return line
    line += one.toString()
  }
  return line
}
const name = readLine()
const rest = readLine()
console.log([name, rest, readLine()])
