console.log(new Intl.NumberFormat('de-DE', { style: 'currency', currency: 'EUR' }).format(1234.5), (1e6).toLocaleString('en-IN'))
console.log(new Intl.DateTimeFormat('fr', { dateStyle: 'full', timeZone: 'UTC' }).format(0), new Intl.PluralRules('en', { type: 'ordinal' }).select(2))
console.log(new Intl.ListFormat('en').format(['a', 'b', 'c']), new Intl.RelativeTimeFormat('es').format(-1, 'day'), (1234.5).toLocaleString())
console.log([...new Intl.Segmenter('en', { granularity: 'word' }).segment('Hello big world')].filter((s) => s.isWordLike).length, Intl.NumberFormat().resolvedOptions().locale)
