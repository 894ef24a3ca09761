process.on('exit', () => {
  throw new Error('thrown while leaving')
})
console.log('main')
