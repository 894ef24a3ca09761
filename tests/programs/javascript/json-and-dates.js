console.log(JSON.stringify({ a: [1, { b: undefined, c: () => {}, d: NaN, e: new Date(0) }] }, null, 2))
console.log(JSON.parse('{"x": [1, 2, {"y": null}]}', (k, v) => (k === 'y' ? 'revived' : v)))
console.log(new Date(2024, 1, 29).toISOString(), new Date('2024-03-10T10:00:00Z').getTime(), new Date(NaN).getTime())
try { JSON.parse('[1,]') } catch (e) { console.log(e.message) }
try { const a = {}; a.a = a; JSON.stringify(a) } catch (e) { console.log(e.message) }
console.log(new Date(Date.UTC(2024, 5, 1)).toString())
