import { nextTick } from 'node:process'
nextTick(() => console.log('tick'))
Promise.resolve().then(() => console.log('micro'))
setImmediate(() => console.log('immediate'))
console.log('sync')
await null
console.log('after await')
