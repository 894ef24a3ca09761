process.stdin.on('readable', () => {
  let chunk
  while ((chunk = process.stdin.read()) !== null) console.log('got', chunk.length)
})
process.stdin.on('end', () => console.log('end'))
