let rounds = 0
process.on('beforeExit', () => {
  if (rounds++ < 3) setTimeout(() => console.log('round', rounds), 1)
})
