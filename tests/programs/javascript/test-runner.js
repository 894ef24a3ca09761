const test = require('node:test')
const assert = require('node:assert')
test.test('adds', () => assert.equal(1 + 1, 2))
test.describe('suite', () => {
  test.it('passes', () => {})
  test.it('is skipped', { skip: true }, () => {})
})
process.stdout.write = ((write) => (text, ...rest) => write.call(process.stdout, String(text).replace(/[0-9.]+ms|duration_ms.*[0-9.]+/g, 'T'), ...rest))(process.stdout.write)
