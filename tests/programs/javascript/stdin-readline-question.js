const rl = require('readline').createInterface({ input: process.stdin, output: process.stdout })
rl.question('What is your name? ', (name) => {
  rl.question('How old are you? ', (age) => {
    console.log(`Hello ${name}, next year you will be ${Number(age) + 1}`)
    rl.close()
  })
})
