// Long enough for every compiler that the runtime has, and for its collector: replaced on the stack, thrown away again, collected.
function mix(seed, rounds) {
  let value = seed
  for (let index = 0; index < rounds; index++) value = (value * 31 + index) % 1000003
  return value
}
const add = (a, b) => a + b
let kept = []
for (let index = 0; index < 200_000; index++) {
  kept.push({ index, text: `item ${index}` })
  if (kept.length > 20_000) kept = kept.filter((item) => item.index % 3 === 0 && index - item.index < 9000)
}
let sum = 0
for (let index = 0; index < 300_000; index++) sum = add(sum, index)
console.log(mix(7, 20_000_000), sum, add('now ', 'a string'), kept.length)
WebAssembly.compile(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0)).then((module) => {
  console.log(WebAssembly.Module.exports(module), new WebAssembly.Instance(module).exports)
})
