import { execFile } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'
import { toError } from '../core/errors.ts'
import { LanguageAlias, LanguageName } from '../core/languages.ts'
import type { Log } from '../core/log.ts'

const run = promisify(execFile)

/** The part of language.json (images/PROTOCOL.md) that this side needs; the agent reads the rest. */
const LanguageFile = z.object({
  name: LanguageName,
  aliases: z.array(LanguageAlias),
  version: z.array(z.string()).min(1),
})

export interface LocalLanguage {
  name: string
  aliases: readonly string[]
  /** Its folder in `images`. */
  folder: string
  version: string
}

/**
 * The languages in `images` whose interpreter this host has, found by asking for its version. Others are left out, with a line in the log.
 * @param path folders, joined by colons, where interpreters are looked for
 * @throws Error when a language.json is wrong
 */
export async function findLanguages(images: string, path: string, log: Log): Promise<LocalLanguage[]> {
  const files = globSync('*/language.json', { cwd: images }).sort()
  const found = await Promise.all(files.map((file) => findLanguage(join(images, file), path, log)))
  return found.filter((language) => language !== undefined)
}

async function findLanguage(file: string, path: string, log: Log): Promise<LocalLanguage | undefined> {
  const { name, aliases, version } = readLanguageFile(file)
  const [command = '', ...args] = version
  try {
    const { stdout, stderr } = await run(command, args, { env: { PATH: path }, timeout: 10_000 })
    const number = firstVersion(stdout + stderr)
    if (number === undefined) throw new Error(`"${version.join(' ')}" printed no version`)
    return { name, aliases, folder: basename(dirname(file)), version: number }
  } catch (thrown) {
    log.warn({ language: name, reason: toError(thrown).message }, 'A language is left out: its interpreter is not here')
    return undefined
  }
}

function readLanguageFile(file: string): z.infer<typeof LanguageFile> {
  const parsed = LanguageFile.safeParse(JSON.parse(readFileSync(file, 'utf8')))
  if (parsed.success) return parsed.data
  throw new Error(`${file} is wrong: ${z.prettifyError(parsed.error)}`)
}

/** The first run of digits and dots, as the agent takes it. */
function firstVersion(output: string): string | undefined {
  return /\d+(?:\.\d+)*/.exec(output)?.[0]
}
