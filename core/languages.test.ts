import { describe, expect, it } from 'vitest'
import { LanguageAlias, LanguageName, Languages } from './languages.ts'

const languages = new Languages([
  { name: 'python', aliases: ['py', 'python3'] },
  { name: 'javascript', aliases: ['js', 'node'] },
])

describe('languages', () => {
  it.each([
    ['python', 'python'],
    ['py', 'python'],
    ['Python3', 'python'],
    ['JS', 'javascript'],
    ['ruby', undefined],
    ['', undefined],
    ['__proto__', undefined],
    ['constructor', undefined],
  ])('%j means %j', (asked, found) => {
    expect(languages.resolve(asked)).toBe(found)
  })

  it('can be listed for somebody who asked for an unknown one', () => {
    expect(languages.known).toEqual(['python', 'py', 'python3', 'javascript', 'js', 'node'])
  })

  it('may not share a name', () => {
    expect(() => new Languages([...languages.all, { name: 'coffee', aliases: ['js'] }])).toThrow('"js"')
  })

  it.each(['Python', 'c++', 'a'.repeat(21), '3d', ''])('have names that fit a label and a queue: not %j', (name) => {
    expect(LanguageName.safeParse(name).success).toBe(false)
  })

  it.each(['c++', 'c#', 'node.js', 'objective-c'])('may be called %j as an alias', (alias) => {
    expect(LanguageAlias.safeParse(alias).success).toBe(true)
  })
})
