import missing from './missing.mjs'
console.log(missing)
