console.log('before')
undefinedFunction()
