/** `npm run soak -- embedded|cluster|cluster-jobs|queue-embedded|queue-rabbitmq [COUNT]`: what many executions leave behind, or cost while they wait, as a table. */
import { soakCluster } from './cluster.ts'
import { soakEmbedded } from './embedded.ts'
import { soakQueueEmbedded, soakQueueRabbitmq } from './queue.ts'

const SOAKS = {
  embedded: { soak: soakEmbedded, count: 50_000 },
  cluster: { soak: (count: number) => soakCluster('nested', count), count: 1_500 },
  'cluster-jobs': { soak: (count: number) => soakCluster('job', count), count: 150 },
  'queue-embedded': { soak: soakQueueEmbedded, count: 100_000 },
  'queue-rabbitmq': { soak: soakQueueRabbitmq, count: 100_000 },
}

const [name = '', given] = process.argv.slice(2)
if (!Object.hasOwn(SOAKS, name)) throw new Error(`Say which: ${Object.keys(SOAKS).join(', ')}`)
const { soak, count } = SOAKS[name as keyof typeof SOAKS]
process.stdout.write(`${await soak(Number(given ?? count))}\n`)
