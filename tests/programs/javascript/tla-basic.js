const value = await Promise.resolve(7)
console.log(value)
