import { posix } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fileNameFault, fileNamesFaults } from './file-names.ts'

const named = (...names: string[]) => names.map((name) => ({ name }))

describe('fileNameFault', () => {
  it.each([
    'a',
    'a.py',
    'a/b/c.py',
    '.hidden',
    '..a',
    'a..',
    '...',
    'with space',
    'näme.txt',
    '文件',
    '-rf',
    'C:',
    'a\nb',
  ])('takes %j', (name) => expect(fileNameFault(name)).toBeUndefined())

  it.each([
    ['', 'empty'],
    ['/etc/passwd', 'must not start with /'],
    ['/', 'must not start with /'],
    ['..', '..'],
    ['../a', '..'],
    ['a/../b', '..'],
    ['a/..', '..'],
    ['.', '.'],
    ['./a', '.'],
    ['a/./b', '.'],
    ['a//b', '//'],
    ['a/', 'end with /'],
    ['a\\b', 'backslash'],
    ['..\\a', 'backslash'],
    ['a'.repeat(256), '255 bytes'],
    ['ä'.repeat(128), '255 bytes'],
    [`${'a'.repeat(200)}/${'b'.repeat(200)}/${'c'.repeat(200)}`, '512 bytes'],
  ])('refuses %j', (name, why) => expect(fileNameFault(name)).toContain(why))

  it('takes names up to the last byte', () => {
    expect(fileNameFault('a'.repeat(255))).toBeUndefined()
    expect(fileNameFault(`${'a'.repeat(255)}/${'b'.repeat(255)}/`.slice(0, 511))).toBeUndefined()
  })

  it('never takes a name that leaves the folder, or that has a shorter way to say it', () => {
    const segment = fc.constantFrom('a', '..', '.', '', 'b', '\\', '...')
    const name = fc.oneof(
      fc.string(),
      fc.array(segment, { maxLength: 6 }).map((parts) => parts.join('/')),
    )
    fc.assert(
      fc.property(name, (text) => {
        if (fileNameFault(text) !== undefined) return
        expect(posix.normalize(text)).toBe(text)
        expect(posix.join('/work', text).startsWith('/work/')).toBe(true)
      }),
    )
  })
})

describe('fileNamesFaults', () => {
  it('takes different names, also in one folder', () => {
    expect(fileNamesFaults(named('a', 'b', 'lib/a', 'lib/b', 'lib/deep/a'))).toEqual([])
    expect(fileNamesFaults([])).toEqual([])
  })

  it('names the second of two files with one name', () => {
    expect(fileNamesFaults(named('a', 'b', 'a'))).toEqual([{ path: [2, 'name'], message: 'is there twice' }])
  })

  it.each([
    [['a', 'a/b'], 0],
    [['a/b', 'a'], 1],
    [['a/b/c', 'x', 'a'], 2],
    [['lib/x', 'lib/x/y/z'], 0],
  ] as const)('names the file that is the folder of another: %j', (names, index) =>
    expect(fileNamesFaults(named(...names))).toEqual([
      { path: [index, 'name'], message: 'is the folder of another file' },
    ]),
  )

  it('is not misled by a common beginning', () => {
    expect(fileNamesFaults(named('lib', 'lib.py', 'library/x', 'li'))).toEqual([])
  })
})
