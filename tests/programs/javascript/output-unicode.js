console.log('naïve café — 日本語 🎉 👩‍👩‍👧 \u{1F600}')
console.log([...'🎉é'].length, '👩‍👩‍👧'.length, 'ß'.toUpperCase(), 'İ'.toLowerCase().length)
console.log('e\u0301'.normalize('NFC') === 'é')
