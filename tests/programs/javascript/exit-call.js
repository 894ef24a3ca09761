console.log('before')
process.exit(42)
console.log('after')
