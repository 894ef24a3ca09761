try {
  JSON.parse('{oops')
} catch (cause) {
  throw new Error('cannot read the configuration', { cause })
}
