import { createHash } from 'node:crypto'
import type { Program } from './execution.ts'

/** SHA-256 (hex) of everything that decides what a program does. */
export function programDigest({ language, code, stdin, args, env, files, limits }: Program): string {
  const sortedEnv = Object.entries(env).sort(([a], [b]) => (a < b ? -1 : 1))
  return createHash('sha256')
    .update(JSON.stringify([language, code, stdin, args, sortedEnv, files, limits]))
    .digest('hex')
}
