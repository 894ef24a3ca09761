const begun = process.hrtime.bigint()
setTimeout(() => console.log(process.hrtime.bigint() - begun >= 99000000n), 100)
while (process.hrtime.bigint() - begun < 20000000n);
