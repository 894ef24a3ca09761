import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { chooseIdentities, findBubblewrap, readRootFolders } from './host.ts'
import { PreflightError } from './preflight.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'runlet-host-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

describe('findBubblewrap', () => {
  it('takes the first on the path that can be executed', () => {
    writeFileSync(join(folder, 'bwrap'), '#!/bin/sh\n', { mode: 0o755 })
    expect(findBubblewrap(`/nowhere:${folder}:/usr/bin`)).toBe(join(folder, 'bwrap'))
  })

  it('says what to install when there is none', () => {
    writeFileSync(join(folder, 'bwrap'), 'not a program')
    chmodSync(join(folder, 'bwrap'), 0o644)
    expect(() => findBubblewrap(`relative:${folder}:`)).toThrow(PreflightError)
    expect(() => findBubblewrap('')).toThrow('install the package bubblewrap')
  })
})

describe('readRootFolders', () => {
  it('shows /usr as a folder, and links as links', () => {
    const folders = readRootFolders()
    expect(folders[0]).toEqual({ path: '/usr', target: undefined })
    expect(folders.map(({ path }) => path)).toContain('/bin')
  })
})

describe('chooseIdentities', () => {
  it('gives root a uid of its own for each sandbox, and lets others have theirs mapped', () => {
    const next = chooseIdentities()
    const [first, second] = [next(), next()]
    if (process.getuid?.() === 0) {
      expect(first).toMatchObject({ kind: 'drop' })
      expect(first).not.toEqual(second)
    } else expect([first, second]).toEqual([{ kind: 'map' }, { kind: 'map' }])
  })
})
