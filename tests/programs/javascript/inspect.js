const util = require('util')
class Point { constructor() { this.x = 1; this.y = [undefined, , null] } }
const circular = { name: 'c' }
circular.self = circular
console.log(new Point(), circular, [1, , 3], new Map([['k', { v: new Set([1])}]]), [function foo() {}, class A {}, () => {}])
console.log({ date: new Date(0), re: /x/gi, err: new RangeError('bad').message, buf: Buffer.from('hi'), sym: Symbol('s') })
console.log(Array.from({ length: 120 }, (_, i) => i), 'x'.repeat(200).length, ['a'.repeat(80), 'b'])
console.log(util.inspect('it\'s'), util.format('%s', { toString() { return 'custom' } }), new (class extends Map {})())
console.log({ a: { b: { c: { d: 1 } } } }, Object.create(null), new Proxy({}, {}), Promise.resolve(4), new WeakMap(), [new Error('in array').message])
console.log(new Uint8Array(3), new ArrayBuffer(2), globalThis === global, [1.0, -0, 1e21, 0.1 + 0.2], process.versions === process.versions)
