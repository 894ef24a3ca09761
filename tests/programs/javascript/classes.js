class Animal {
  #name
  static count = 0
  static { Animal.count = 10 }
  constructor(name) {
    this.#name = name
    Animal.count++
  }
  get name() { return this.#name }
  set name(v) { this.#name = v.trim() }
  #secret() { return `secret of ${this.#name}` }
  reveal() { return this.#secret() }
  static isAnimal(o) { return #name in o }
}
class Dog extends Animal {
  speak() { return `${this.name} barks, ${super.reveal()}` }
  get [Symbol.toStringTag]() { return 'Dog' }
}
const d = new Dog('Rex')
d.name = '  Max '
console.log(d.speak(), Animal.count, Animal.isAnimal({}), String(d), d, Dog)
