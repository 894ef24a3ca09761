console.log(new Error('x').stack.split('\n').length, process.execArgv, process.env.NODE_OPTIONS)
