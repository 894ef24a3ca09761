console.log('waiting for ever')
await new Promise(() => {})
console.log('never')
