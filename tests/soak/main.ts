/** `npm run soak -- embedded|queue-embedded|queue-cluster [COUNT]`: what many executions leave behind, or cost while they wait, as a table. */
import { soakEmbedded } from './embedded.ts'
import { soakQueueCluster, soakQueueEmbedded } from './queue.ts'

const SOAKS = {
  embedded: { soak: soakEmbedded, count: 50_000 },
  'queue-embedded': { soak: soakQueueEmbedded, count: 100_000 },
  'queue-cluster': { soak: soakQueueCluster, count: 100_000 },
}

const [name = '', given] = process.argv.slice(2)
if (!Object.hasOwn(SOAKS, name)) throw new Error(`Say which: ${Object.keys(SOAKS).join(', ')}`)
const { soak, count } = SOAKS[name as keyof typeof SOAKS]
process.stdout.write(`${await soak(Number(given ?? count))}\n`)
