async function main() {
  const chunks = []
  for await (const chunk of process.stdin) chunks.push(chunk)
  const text = Buffer.concat(chunks).toString()
  console.log(text.split('\n').reverse().join(','))
}
main()
