// Loaded by warm.cjs so that the loader of ECMAScript modules has been started before the program comes.
import 'node:fs'

export const warm = import.meta.url
