const ref = new WeakRef({ a: 1 })
const registry = new FinalizationRegistry(() => console.log('never'))
registry.register({}, 1)
console.log(ref.deref(), typeof gc)
{
  using resource = { [Symbol.dispose]() { console.log('disposed') } }
  console.log('in block')
}
