console.log(0.1 + 0.2, 2 ** 53 + 1, 7 % -3, -7 % 3, 5 / 0, 1e21, (25).toString(36), (0.000001234).toString(), (1.005).toFixed(2))
console.log(2n ** 100n, -7n / 2n, BigInt.asUintN(8, 257n), 0xffn, typeof 1n, 1n < 2, BigInt(Number.MAX_SAFE_INTEGER) * 3n)
console.log([10, 9, 1].sort(), [3, 1, 2].toSorted((a, b) => b - a), Math.hypot(3, 4), Math.clz32(1), Math.imul(0xffffffff, 5), Math.sign(-3))
console.log(parseInt('12px'), Number(''), +[], [] + {}, [] == false, null ?? 'd', 0 || 'e', Number.EPSILON > 0, ~~-5.7, -5 >>> 28)
