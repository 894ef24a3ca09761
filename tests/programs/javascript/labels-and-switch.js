outer: for (let i = 0; i < 4; i++) {
  for (let j = 0; j < 4; j++) {
    if (j === 2) continue outer
    if (i === 2) break outer
    console.log(i, j)
  }
}
switch (3) {
  case 1: console.log('one')
  case 3: console.log('three')
  case 4: console.log('falls through'); break
  default: console.log('never')
}
do { var once = true } while (!once)
console.log(((a, b = a * 2, ...rest) => [a, b, rest])(1, undefined, 3, 4), once)
