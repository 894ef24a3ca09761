import { value } from './value.js'
console.log(value, import.meta.filename.endsWith('main.js'))
try {
  undeclared = 1
} catch (error) {
  console.log(error.name)
}
