const { Readable, pipeline, Transform } = require('stream')
pipeline(Readable.from(['a', 'b', 'c']), new Transform({ transform(c, _, cb) { cb(null, `${c}!\n`) } }), process.stdout, (err) => {
  console.error('done', err)
})
new ReadableStream({ start(c) { c.enqueue('web'); c.close() } }).pipeTo(new WritableStream({ write: (x) => console.error(x) }))
