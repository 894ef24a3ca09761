console.log(process.env.GREETING, process.env.EMPTY === '', process.env.MISSING, process.env.UNI)
console.log(Object.keys(process.env).join(), 'HOME' in process.env)
process.env.NEW = 5
console.log(typeof process.env.NEW, delete process.env.NEW, process.env.NEW)
