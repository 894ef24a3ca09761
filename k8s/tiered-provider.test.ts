import { describe, expect, it } from 'vitest'
import { AppError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Sandbox, SandboxProvider } from '../core/ports.ts'
import { FakeClock, settled } from '../tests/fakes/clock.ts'
import { MemoryMetrics } from '../tests/fakes/metrics.ts'
import { createTieredProvider } from './tiered-provider.ts'

const never = new AbortController().signal
const refused = new AppError('sandbox_unavailable', 'the namespace refuses it')

function world() {
  const said: string[] = []
  const note = (_: object, sentence: string) => void said.push(sentence)
  const log: Log = { debug() {}, info: note, warn: note, error: note, child: () => log }
  const destroyed: string[] = []
  const sandbox = (name: string) => ({ name, destroy: async () => void destroyed.push(name) }) as unknown as Sandbox
  const asked: PromiseWithResolvers<Sandbox>[] = []
  const nested: SandboxProvider = {
    start: () => {
      const answer = Promise.withResolvers<Sandbox>()
      asked.push(answer)
      return answer.promise
    },
  }
  const job: SandboxProvider = { start: async () => sandbox('a Job of its own') }
  const metrics = new MemoryMetrics()
  const clock = new FakeClock()
  const provider = createTieredProvider({ job, nested, languages: ['python'], metrics, log, clock })
  const start = async (language = 'python') => (await provider.start(language, never)).name
  const fallback = () => metrics.get('runlet_tier_fallback', 'python')
  return { start, provider, asked, sandbox, destroyed, said, fallback, clock }
}

describe('the tier of a language', () => {
  it('is job where nobody asked for another', async () => {
    const { start, asked } = world()
    expect(await start('bash')).toBe('a Job of its own')
    expect(asked).toEqual([])
  })

  it('falls back with a sentence and a metric, and comes back when a later try succeeds', async () => {
    const { start, asked, sandbox, destroyed, said, fallback, clock } = world()
    const first = start()
    asked[0]?.reject(refused)
    expect([await first, fallback()]).toEqual(['a Job of its own', 1])
    expect(said).toEqual(['Executions of this language get a Job each: the nested tier does not work here'])
    await start()
    expect(asked).toHaveLength(1)
    await clock.advance(300_000)
    expect(await start()).toBe('a Job of its own')
    asked[1]?.resolve(sandbox('tried'))
    await settled()
    expect([fallback(), destroyed, said.at(-1)]).toEqual([0, ['tried'], 'The nested tier works now'])
    const next = start()
    asked[2]?.resolve(sandbox('a slot'))
    expect(await next).toBe('a slot')
  })

  it('is told as nested when one of several first tries succeeds after another failed', async () => {
    const { start, asked, sandbox, fallback } = world()
    const [failed, succeeded] = [start(), start()]
    asked[0]?.reject(refused)
    expect(await failed).toBe('a Job of its own')
    asked[1]?.resolve(sandbox('a slot'))
    expect([await succeeded, fallback()]).toEqual(['a slot', 0])
  })

  it('is not decided by a caller who gave up', async () => {
    const { provider, asked, fallback } = world()
    const stop = new AbortController()
    const start = provider.start('python', stop.signal)
    stop.abort()
    asked[0]?.reject(refused)
    await expect(start).rejects.toBe(refused)
    expect(fallback()).toBe(0)
  })
})
