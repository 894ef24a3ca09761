process.stdin.once('data', (d) => {
  console.log(d.toString().split('\n')[0])
  process.stdin.destroy()
})
