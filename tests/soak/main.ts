/** `npm run soak -- embedded [COUNT]`: what many executions leave behind, as a table. */
import { soakEmbedded } from './embedded.ts'

const SOAKS = { embedded: { soak: soakEmbedded, count: 50_000 } }

const [name = '', given] = process.argv.slice(2)
if (!Object.hasOwn(SOAKS, name)) throw new Error(`Say which: ${Object.keys(SOAKS).join(', ')}`)
const { soak, count } = SOAKS[name as keyof typeof SOAKS]
process.stdout.write(`${await soak(Number(given ?? count))}\n`)
