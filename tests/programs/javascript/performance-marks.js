const { performance, PerformanceObserver } = require('perf_hooks')
performance.mark('a')
for (let i = 0; i < 1e5; i++);
performance.mark('b')
const m = performance.measure('a to b', 'a', 'b')
console.log(m.name, m.duration > 0, m.duration < 1000, performance.getEntriesByType('mark').length)
try {
  Object.getPrototypeOf(performance).now.call({})
} catch (error) {
  console.log(error.code)
}
