async function load() {
  throw new TypeError('async failure')
}
load()
console.log('sync part finished')
