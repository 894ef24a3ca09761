const cluster = require('cluster')
if (cluster.isPrimary) {
  cluster.fork().on('exit', (code) => console.log('worker left', code))
} else process.exit(cluster.worker.id)
