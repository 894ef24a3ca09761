import { z } from 'zod'

/** `python`, `javascript`: part of queue names, labels and Job names, so it is a DNS label, and short. */
export const LanguageName = z.string().regex(/^[a-z][a-z0-9]{0,19}$/, 'must be 1 to 20 lower-case letters and digits')

export const LanguageAlias = z
  .string()
  .regex(/^[a-z][a-z0-9+#.-]{0,19}$/, 'must be 1 to 20 characters of a-z 0-9 + # . -')

export interface Language {
  name: string
  aliases: readonly string[]
}

/** The languages of one installation, found by name or alias. */
export class Languages {
  readonly all: readonly Language[]
  readonly #byName = new Map<string, Language>()

  /** @throws Error when two languages claim the same name or alias. */
  constructor(languages: Iterable<Language>) {
    this.all = [...languages]
    for (const language of this.all) {
      for (const name of [language.name, ...language.aliases]) {
        if (this.#byName.has(name)) throw new Error(`Two languages are called "${name}"`)
        this.#byName.set(name, language)
      }
    }
  }

  /** The canonical name, or undefined. Case does not matter: "Python" is what people type. */
  resolve(nameOrAlias: string): string | undefined {
    return this.#byName.get(nameOrAlias.toLowerCase())?.name
  }

  /** All that `resolve` knows, for the answer to somebody who asked for something else. */
  get known(): string[] {
    return [...this.#byName.keys()]
  }
}
