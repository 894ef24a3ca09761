import { describe, expect, it } from 'vitest'
import { Backlog } from './backlog.ts'

const limits = { length: 2, bytes: 100 }

describe('Backlog', () => {
  it('is full for one language when that has its length', () => {
    const backlog = new Backlog(limits, [], [])
    backlog.add('python', 1)
    expect(backlog.fits('python', 1)).toBe(true)
    backlog.add('python', 1)
    expect(backlog.fits('python', 1)).toBe(false)
    expect(backlog.fits('bash', 1)).toBe(true)
    backlog.remove('python', 1)
    expect(backlog.fits('python', 1)).toBe(true)
  })

  it('is full for all languages when the bytes are used up', () => {
    const backlog = new Backlog(limits, [], [])
    backlog.add('python', 60)
    expect(backlog.fits('bash', 40)).toBe(true)
    expect(backlog.fits('bash', 41)).toBe(false)
    backlog.remove('python', 60)
    expect(backlog.fits('bash', 100)).toBe(true)
  })

  it('begins with what was there', () => {
    const backlog = new Backlog(
      limits,
      [
        { language: 'python', rows: 2, waiting: 1, bytes: 50 },
        { language: 'bash', rows: 1, waiting: 1, bytes: 30 },
      ],
      [{ caller: 'a', rows: 3 }],
    )
    expect([backlog.of('a'), backlog.of('b')]).toEqual([3, 0])
    expect(backlog.fits('python', 1)).toBe(false)
    expect(backlog.fits('bash', 20)).toBe(true)
    expect(backlog.fits('bash', 21)).toBe(false)
    expect([backlog.waiting('python'), backlog.waiting('bash'), backlog.waiting('ruby')]).toEqual([1, 1, 0])
  })

  it('counts what waits', () => {
    const backlog = new Backlog(limits, [], [])
    backlog.changeWaiting('python', 1)
    backlog.changeWaiting('python', 1)
    backlog.changeWaiting('python', -2)
    expect(backlog.waiting('python')).toBe(0)
  })

  it('counts what each caller has', () => {
    const backlog = new Backlog(limits, [], [])
    backlog.add('python', 1, 'a')
    backlog.add('bash', 1, 'a')
    backlog.add('bash', 1)
    backlog.remove('python', 1, 'a')
    expect(backlog.of('a')).toBe(1)
  })
})
