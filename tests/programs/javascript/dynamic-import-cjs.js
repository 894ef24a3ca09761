import('./mod.mjs').then((m) => {
  console.log(m.default, m.x)
  return import('node:os')
}).then((os) => console.log(typeof os.EOL))
console.log(typeof require, module.id, require.main === module)
