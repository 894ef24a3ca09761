console.log(this === module.exports, this === globalThis)
function sloppy() {
  return this === globalThis
}
function strict() {
  'use strict'
  return this
}
console.log(sloppy(), strict(), (() => this === module.exports)())
