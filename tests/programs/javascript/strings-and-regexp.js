console.log('2024-05-06'.match(/(?<y>\d+)-(?<m>\d+)/).groups, 'aBc'.replace(/b/i, (m) => `[${m}]`), [...'a1b22'.matchAll(/\d+/g)].map((m) => m.index))
console.log('x'.padStart(3, 'ab'), 'abc'.at(-1), 'a,b,,c'.split(','), ' t '.trim(), 'abc'.localeCompare('abd'), /(?<=\$)\d+/.exec('cost $42')[0])
console.log(/\p{Emoji}/u.test('🎉'), 'ÀÉ'.normalize('NFD').replace(/\p{M}/gu, ''), String.raw`a\n${1}`, 'abc'.isWellFormed(), RegExp.$1 === '')
console.log(['é', 'z', 'a', 'Z'].sort(), ['é', 'z', 'a', 'Z'].sort(new Intl.Collator('en').compare), /[\p{L}--[a-z]]/v.test('a'))
