process.on('exit', (code) => console.log('exit', code))
process.emit('exit', 5)
console.log('still here')
process.on('greet', function (name) {
  console.log('hello', name, this === process)
  console.log(new Error('trace').stack.split('\n').slice(1, 3).join('\n').replace(/\(.*[/]/g, '('))
})
process.emit('greet', 'Ada')
