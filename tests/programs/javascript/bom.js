console.log('file with a byte order mark')
