process.stdin.resume()
process.stdin.setEncoding('utf-8')
let inputString = ''
let currentLine = 0
process.stdin.on('data', function (chunk) {
  inputString += chunk
})
process.stdin.on('end', function () {
  inputString = inputString.split('\n')
  main()
})
function readLine() {
  return inputString[currentLine++]
}
function main() {
  const t = parseInt(readLine(), 10)
  for (let i = 0; i < t; i++) {
    const [a, b] = readLine().trim().split(' ').map(Number)
    console.log(a + b)
  }
}
