let rounds = 0
while (performance.now() < 400 && process.uptime() < 0.4) rounds++
console.log(rounds > 1000)
