require('net').connect(80, '127.0.0.1').on('error', (error) => console.log(error.code))
