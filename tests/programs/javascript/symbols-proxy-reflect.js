const log = []
const target = new Proxy({ a: 1 }, {
  get(o, k, r) { log.push(`get ${String(k)}`); return Reflect.get(o, k, r) },
  has: (o, k) => k === 'magic' || k in o,
  deleteProperty() { return false },
})
console.log(target.a, 'magic' in target, delete target.a, log)
const id = Symbol('id')
console.log({ [id]: 1, [Symbol.for('x')]: 2 }, id.description, Symbol.keyFor(Symbol.for('x')))
console.log(Object.getOwnPropertyDescriptor({ get x() { return 1 } }, 'x'), target)
