console.log('windows')
console.log(`line 1
line 2`.length)
