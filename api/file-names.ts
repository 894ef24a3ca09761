const MAX_NAME_BYTES = 512
/** What Linux takes for one part of a path. */
const MAX_SEGMENT_BYTES = 255

/**
 * Why a file can't have this name, or undefined: names are relative, stay inside the work folder, and can be said in one way only.
 * NUL and lone surrogates are looked for elsewhere, as in all text.
 */
export function fileNameFault(name: string): string | undefined {
  if (name === '') return 'must not be empty'
  if (name.startsWith('/')) return 'must be relative: it must not start with /'
  if (name.includes('\\')) return 'must not contain a backslash: folders are separated by /'
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) return `must have at most ${MAX_NAME_BYTES} bytes`
  for (const segment of name.split('/')) {
    if (segment === '') return 'must not contain // or end with /'
    if (segment === '..' || segment === '.') return `must not contain ${segment} as a folder`
    if (Buffer.byteLength(segment) > MAX_SEGMENT_BYTES) {
      return `must have at most ${MAX_SEGMENT_BYTES} bytes between two /`
    }
  }
  return undefined
}

/** What is wrong at a place below the value that was looked at. */
export interface PathFault {
  path: (string | number)[]
  message: string
}

/** What is wrong with the names together: each is there once, and none is the folder of another. */
export function fileNamesFaults(files: readonly { name: string }[]): PathFault[] {
  const names = new Set<string>()
  const folders = new Set<string>()
  for (const { name } of files) {
    for (let end = name.indexOf('/'); end !== -1; end = name.indexOf('/', end + 1)) folders.add(name.slice(0, end))
  }
  return files.flatMap(({ name }, index) => {
    const path = [index, 'name']
    if (names.has(name)) return [{ path, message: 'is there twice' }]
    names.add(name)
    return folders.has(name) ? [{ path, message: 'is the folder of another file' }] : []
  })
}
