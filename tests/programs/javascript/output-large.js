let line = ''
for (let i = 0; i < 100; i++) line += String.fromCharCode(97 + (i % 26))
for (let i = 0; i < 6000; i++) console.log(i, line)
