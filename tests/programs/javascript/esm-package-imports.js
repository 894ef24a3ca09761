import { secret } from '#internal'
import { self } from 'me'
console.log(secret, self)
