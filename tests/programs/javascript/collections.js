const m = Map.groupBy([1, 2, 3, 4], (x) => (x % 2 ? 'odd' : 'even'))
console.log(m, Object.groupBy(['a', 'bb', 'cc'], (s) => s.length), new Set([1, 2]).union(new Set([2, 3])))
class Heap {
  #items = []
  push(x) { this.#items.push(x); this.#items.sort((a, b) => a - b) }
  pop() { return this.#items.shift() }
}
const h = new Heap()
;[5, 2, 8, 1].forEach((x) => h.push(x))
console.log(h.pop(), h.pop(), [3, [4, [5]]].flat(Infinity), Object.fromEntries([['a', 1]]), structuredClone({ d: new Date(0), m: new Map([[1, { a: 1 }]]) }))
console.log([1, 2, 3].with(1, 9), [1, 2, 3, 4].findLast((x) => x < 3), Array.from('abc', (c) => c + c), [..."ab"].entries().toArray())
