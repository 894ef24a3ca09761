const { createInterface } = require('node:readline')
;(async () => {
  let total = 0
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) total += Number(line)
  console.log(total)
})()
