import * as readline from 'node:readline/promises'
import { stdin as input, stdout as output } from 'node:process'

const rl = readline.createInterface({ input, output })
const answer = await rl.question('Favourite number? ')
console.log(answer * 2)
rl.close()
