import { describe, expect, it } from 'vitest'
import { Current } from './current.ts'

describe('Current', () => {
  it('gives the value at once when it is there', async () => {
    const current = new Current<string>()
    current.set('here')
    expect(await current.within(0)).toBe('here')
    expect(current.value).toBe('here')
  })

  it('gives undefined when there is none in time', async () => {
    expect(await new Current<string>().within(5)).toBeUndefined()
    expect(await new Current<string>().within(-1)).toBeUndefined()
  })

  it('tells everybody who waits', async () => {
    const current = new Current<number>()
    const waiting = [current.within(60_000), current.within(60_000)]
    current.set(7)
    expect(await Promise.all(waiting)).toEqual([7, 7])
  })

  it('outlasts being cleared while somebody waits', async () => {
    const current = new Current<number>()
    const waiting = current.within(60_000)
    current.clear()
    current.set(8)
    expect(await waiting).toBe(8)
  })

  it('forgets a value that is gone', async () => {
    const current = new Current<number>()
    current.set(1)
    current.clear()
    expect(current.value).toBeUndefined()
    expect(await current.within(1)).toBeUndefined()
  })
})
