console.log('I do not care about input')
