process.stdout.write('one\n', () => {
  process.stdout.write('two\n', () => process.stdout.end('three\n'))
})
process.stdout.on('finish', () => console.error('finished'))
