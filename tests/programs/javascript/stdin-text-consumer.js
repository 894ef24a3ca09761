import { text } from 'node:stream/consumers'
console.log((await text(process.stdin)).split(/\s+/).filter(Boolean).length)
