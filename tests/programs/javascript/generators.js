function* fib() {
  let [a, b] = [0, 1]
  while (true) {
    yield a
    ;[a, b] = [b, a + b]
  }
}
console.log(fib().take(10).toArray(), fib().filter((x) => x % 2).map((x) => x * x).take(4).toArray())
function* delegate() {
  const got = yield* inner()
  yield `got ${got}`
}
function* inner() {
  try { yield 1; yield 2 } finally { console.log('cleanup') }
  return 3
}
console.log([...delegate()])
const g = delegate()
g.next()
console.log(g.return('early'), g.next())
