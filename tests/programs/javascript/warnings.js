process.emitWarning('careful', 'CustomWarning', 'C001')
new (require('events'))().setMaxListeners(1).on('a', () => {}).on('a', () => {})
process.on('warning', (w) => console.log(w.name, w.code))
console.log(require('util').isDeprecated, Buffer(1).length)
