import { describe, expect, it } from 'vitest'
import type { JobMetadata } from './jobs.ts'
import { ANNOTATION, LABEL } from './labels.ts'
import { seenVersion } from './language-version.ts'

/** A namespace with Jobs, which answers selectors of `name=value`, `name!=value` and `!name`; counts what it gave out. */
function namespaceOf(...jobs: { labels: Record<string, string>; version?: string }[]) {
  const given: string[] = []
  return {
    given,
    async *list(selector: string): AsyncGenerator<JobMetadata> {
      for (const [index, { labels, version }] of jobs.entries()) {
        const fits = selector.split(',').every((term) => {
          const [, absent, name = '', not, value] = /^(!?)([^!=]+)(?:(!?)=(.*))?$/.exec(term) ?? []
          return absent ? labels[name] === undefined : (labels[name] === value) !== (not === '!')
        })
        if (!fits) continue
        given.push(`${index}`)
        const annotations = version === undefined ? {} : { [ANNOTATION.version]: version }
        yield { metadata: { name: `job-${index}`, uid: `${index}`, labels, annotations } }
      }
    },
  }
}

const job = (state: string, version?: string, more: Record<string, string> = {}) => ({
  labels: { [LABEL.language]: 'python', [LABEL.state]: state, ...more },
  ...(version !== undefined && { version }),
})
const succeeded = { [LABEL.status]: 'succeeded' }

describe('the version of a language', () => {
  it('is what a warm sandbox says, in whatever namespace it is', async () => {
    const single = namespaceOf(job('finished', '3.12', succeeded))
    const nested = namespaceOf(job('warm', '3.13'))
    expect(await seenVersion([single, nested], 'python')).toBe('3.13')
    expect(single.given).toEqual([])
  })

  it('is what one that works or worked said where none is warm', async () => {
    expect(await seenVersion([namespaceOf(job('running', '3.13'))], 'python')).toBe('3.13')
    const finished = namespaceOf(job('finished', '3.13', succeeded), job('finished', '3.13', succeeded))
    expect(await seenVersion([finished], 'python')).toBe('3.13')
    expect(finished.given).toHaveLength(1)
    expect(await seenVersion([namespaceOf(job('finished', '3.13'))], 'python')).toBe('3.13')
  })

  it('is not looked for where there was no sandbox: on a Job of records only', async () => {
    const records = namespaceOf(
      job('finished', undefined, { ...succeeded, [LABEL.ranOn]: 'another' }),
      job('finished', undefined, { [LABEL.status]: 'lost' }),
    )
    expect(await seenVersion([records], 'python')).toBeUndefined()
    expect(records.given).toEqual([])
  })

  it('is not that of another language', async () => {
    expect(await seenVersion([namespaceOf(job('warm', '3.13'))], 'javascript')).toBeUndefined()
  })
})
