async function level3() {
  await null
  throw new Error('deep')
}
async function level2() {
  await level3()
}
async function level1() {
  await level2()
}
level1()
