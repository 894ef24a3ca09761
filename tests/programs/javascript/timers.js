const started = Date.now()
let n = 0
const interval = setInterval(() => {
  console.log('tick', ++n)
  if (n === 3) clearInterval(interval)
}, 4)
setTimeout((a, b) => console.log(a, b, Date.now() - started >= 29), 30, 'with', 'arguments')
const cancelled = setTimeout(() => console.log('never'), 1)
clearTimeout(cancelled)
setTimeout(() => console.log('never'), 1e6).unref()
console.log(interval.hasRef(), cancelled.constructor.name)
