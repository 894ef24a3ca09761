const input = require('fs').readFileSync('/dev/stdin').toString().trim().split(/\s+/)
console.log(input.length, input.join('|'))
