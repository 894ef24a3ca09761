throw 'just a string'
