import { afterAll, beforeAll } from 'vitest'
import { client } from '../helpers/embedded-client.ts'
import { type Embedded, startEmbedded } from '../helpers/embedded.ts'
import { describeAttacks } from './attacked.ts'

/** Every attack on the embedded mode: bubblewrap sandboxes of this machine. */
let embedded: Embedded | undefined
beforeAll(async () => {
  embedded = await startEmbedded({ env: { WARM: '3', MAX: '8', LOG_LEVEL: 'warn' } })
})
afterAll(() => embedded?.[Symbol.asyncDispose]())

describeAttacks('embedded', () => {
  const { send } = client(embedded?.url ?? '')
  return { name: 'embedded', atOnce: 4, post: (body) => send('/api/run/', body) }
})
