const p = Promise.reject(new Error('late'))
setImmediate(() => p.catch((e) => console.log('caught', e.message)))
process.on('unhandledRejection', (reason) => console.log('unhandled', reason.message))
process.on('rejectionHandled', () => console.log('handled'))
