const rows = []
for (let i = 0; i < 40000; i++) rows.push(`${i} ${i * i}`)
console.log(rows.join('\n'))
