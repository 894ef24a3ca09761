const [first, ...rest] = require('fs').readFileSync(0, 'utf8').trim().split('\n')
const [n, , source] = first.split(' ').map(Number)
const graph = Array.from({ length: n + 1 }, () => [])
for (const line of rest) {
  const [u, v, w] = line.split(' ').map(Number)
  graph[u].push([v, w])
}
const dist = Array(n + 1).fill(Infinity)
dist[source] = 0
const queue = [[0, source]]
while (queue.length) {
  queue.sort((a, b) => b[0] - a[0])
  const [d, u] = queue.pop()
  if (d > dist[u]) continue
  for (const [v, w] of graph[u]) if (d + w < dist[v]) queue.push([(dist[v] = d + w), v])
}
console.log(dist.slice(1).join(' '))
