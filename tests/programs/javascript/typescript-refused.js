interface A { a: number }
const x: A = { a: 1 }
console.log(x.a)
