function outer() {
  inner()
}
function inner() {
  throw new Error('something broke')
}
console.log('start')
outer()
