fetch('http://127.0.0.1:9/').then(
  () => console.log('connected?'),
  (error) => console.log(error.name, error.message),
)
