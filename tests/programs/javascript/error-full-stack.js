Error.stackTraceLimit = 50
console.log(new Error('everything below').stack)
