export default class Greeter {
  hello() {
    return 'hi'
  }
}
console.log(new Greeter().hello())
const self = await import('./main.js')
console.log(self.default === Greeter, self)
