'use strict'
try {
  oops = 1
} catch (error) {
  console.log(`${error}`)
}
try {
  Object.freeze([1]).push(2)
} catch (error) {
  console.log(error.name)
}
console.log((function () { return this })())
