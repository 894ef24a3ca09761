import { randomInt } from 'node:crypto'
import { accessSync, constants, lstatSync, readFileSync, readlinkSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { Host, Identity } from './bubblewrap-command.ts'
import { PreflightError } from './preflight.ts'
import { chooseUidRange, Uids } from './uid-range.ts'

/** The folders of the root that hold programs and libraries: on most systems links into /usr. */
export function readRootFolders(): Host['rootFolders'] {
  return ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'].flatMap((path) => {
    const stats = lstatSync(path, { throwIfNoEntry: false })
    if (!stats) return []
    return [{ path, target: stats.isSymbolicLink() ? readlinkSync(path) : undefined }]
  })
}

/**
 * @param path folders, joined by colons
 * @throws PreflightError when bubblewrap is in none of them
 */
export function findBubblewrap(path: string): string {
  const found = path
    .split(delimiter)
    .filter((folder) => folder.startsWith('/'))
    .map((folder) => join(folder, 'bwrap'))
    .find(isExecutable)
  if (found) return found
  throw new PreflightError(
    'bubblewrap is not installed: run scripts/setup, or install the package bubblewrap of your distribution.',
  )
}

/**
 * How sandboxes get their uid: for root a new one each time, for others the one that bubblewrap maps.
 * @throws PreflightError when we are root and have no uids to give
 */
export function chooseIdentities(): () => Identity {
  if (process.getuid?.() !== 0) return () => ({ kind: 'map' })
  const range = chooseUidRange(readFileSync('/proc/self/uid_map', 'utf8'))
  if (!range)
    throw new PreflightError(
      'This root has too few user ids to give each sandbox one of its own (/proc/self/uid_map): run Runlet as an ordinary user, or in a container with 65,536 ids.',
    )
  const uids = new Uids(range, randomInt(range.count))
  return () => ({ kind: 'drop', uid: uids.next() })
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
