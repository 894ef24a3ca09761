console.log(process.stdout.hasColors?.(), require('util').inspect({ a: 1 }), process.stdout.isTTY)
console.log(require('util').styleText('red', 'plain?'))
console.log('%o %c styled', [1], 'color: red')
