async function* pages() {
  for (let i = 1; i <= 3; i++) {
    await new Promise((r) => setTimeout(r, 1))
    yield { page: i }
  }
}
;(async () => {
  for await (const p of pages()) console.log(p)
  console.log(await Array.fromAsync(pages(), (p) => p.page))
  const results = await Promise.allSettled([1, Promise.reject(new Error('no')), Promise.race([new Promise(() => {}), 'fast'])])
  console.log(results.map((r) => r.status), await Promise.all([1, Promise.resolve(2)]))
})()
