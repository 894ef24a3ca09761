const { Transform } = require('stream')
const upper = new Transform({
  transform(chunk, _encoding, done) {
    done(null, chunk.toString().toUpperCase())
  },
})
process.stdin.pipe(upper).pipe(process.stdout)
