const { emit } = process
process.emit = function (name, ...rest) {
  if (name === 'warning') return false
  if (name === 'exit') console.log('patched exit', ...rest)
  return emit.call(this, name, ...rest)
}
process.emitWarning('nobody sees this')
console.log(Object.keys(process).includes('emit'))
