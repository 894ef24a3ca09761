import { setTimeout as sleep } from 'node:timers/promises'
await sleep(2)
await Promise.reject(new Error('rejected at the top'))
