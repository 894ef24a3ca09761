import { greet, count } from './helper.mjs'
import * as everything from './helper.mjs'
import cjs, { named } from './old.cjs'
console.log(greet('Ada'), count, Object.keys(everything))
console.log(cjs, named)
