console.log(import.meta)
console.log(import.meta.resolve('./other.mjs'))
export {}
