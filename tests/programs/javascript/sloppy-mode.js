undeclared = 5
console.log(globalThis.undeclared, delete globalThis.undeclared, 010, '\101')
with ({ hidden: 'in with' }) console.log(hidden)
function twice(a, a) {
  return a
}
console.log(twice(1, 2), typeof arguments, (function () { return arguments.callee.name })())
var let_ = 1, yield = 2, static = 3
console.log(let_ + yield + static)
if (true) { function hoisted() { return 'block' } }
console.log(hoisted(), <!-- html comment
'after')
Object.freeze(exports).x = 1
console.log(exports.x)
