/** A program, and all that a request may bring with it, in which every word that is the caller's own is what `mark` makes of what it is. It prints and fails. */
export function markedProgram(mark: (what: string) => string) {
  return {
    language: 'python',
    code: `print("${mark('output')}"); raise Exception("${mark('code')}")`,
    stdin: mark('stdin'),
    args: [mark('argument')],
    env: { MARKER: mark('variable') },
    files: [{ name: `${mark('name')}.txt`, content: mark('file') }],
  }
}
