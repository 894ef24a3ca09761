process.stdout.write('a'.repeat(20000) + '\n')
process.on('exit', (code) => console.log('bye', code))
process.exit(0)
