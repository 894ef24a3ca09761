Promise.any([Promise.reject(new Error('one')), Promise.reject(new TypeError('two'))]).catch((error) => {
  console.log(error.constructor.name, error.errors.map(String))
  throw error.errors[1]
})
