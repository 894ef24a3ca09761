console.log('one')
if (require.main === module) return
console.log('never')
