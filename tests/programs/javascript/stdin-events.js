process.stdin.setEncoding('utf8')
let data = ''
process.stdin.on('data', (chunk) => {
  data += chunk
})
process.stdin.on('end', () => {
  console.log(data.length, JSON.stringify(data.slice(0, 20)))
})
