const memo = new Map()
function fib(n) {
  if (n < 2n) return n
  if (!memo.has(n)) memo.set(n, fib(n - 1n) + fib(n - 2n))
  return memo.get(n)
}
console.log(fib(10n), String(fib(200n)))
