import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { readConfig } from '../core/config.ts'
import { ApiConfig } from './config.ts'

const needed = {
  AMQP_URL: 'amqp://user:secret@rabbitmq:5672/',
  NAMESPACE: 'sandboxes',
  LANGUAGES: '{"python": {"aliases": ["py"], "image": "runlet/python"}, "javascript": {}}',
  ID_KEY: '0123456789abcdef',
}
const read = (more: Record<string, string> = {}) => readConfig(ApiConfig, { ...needed, ...more })

describe('ApiConfig', () => {
  it('needs a queue, a namespace, languages and a key for ids, and nothing else', () => {
    expect(read()).toMatchObject({
      PORT: 8080,
      METRICS_PORT: 9090,
      MAX_BODY_BYTES: 4 * 1024 * 1024,
      RUN_WAIT_MS: 30_000,
      MAX_CHECK_WAIT_MS: 60_000,
      RETENTION_SECONDS: 3600,
      TIMINGS: false,
      API_KEY_HASHES: [],
      LOG_LEVEL: 'info',
    })
    expect(read().HOST).toBeUndefined()
    expect(read().LIMITS.wallTimeMs).toEqual({ default: 10_000, maximum: 60_000 })
    expect(() => readConfig(ApiConfig, {})).toThrow(/AMQP_URL.*\n.*NAMESPACE.*\n.*LANGUAGES.*\n.*ID_KEY/)
  })

  it('reads the languages with their aliases, and leaves the rest to the runner', () => {
    expect(read().LANGUAGES.resolve('PY')).toBe('python')
    expect(read().LANGUAGES.known).toEqual(['python', 'py', 'javascript'])
  })

  it.each([
    ['LANGUAGES', '{}', 'names no language'],
    ['LANGUAGES', '{"a": {"aliases": ["b"]}, "b": {}}', 'Two languages are called "b"'],
    ['LANGUAGES', '{"Python": {}}', 'LANGUAGES'],
    ['LANGUAGES', 'python', 'is not JSON'],
    ['ID_KEY', 'short', 'at least 16'],
    ['API_KEY_HASHES', 'secret', 'SHA-256'],
    ['PORT', '80a', 'whole number'],
    ['TIMINGS', 'yes', 'TIMINGS'],
    ['LIMITS', '{"wallTimeMs": {"default": 70000}}', 'the default is above the maximum'],
  ])('refuses %s=%s', (key, value, message) => expect(() => read({ [key]: value })).toThrow(message))

  it('keeps keys out of what it says', () => {
    expect(() => read({ ID_KEY: 'tiny', AMQP_URL: 'http://user:hunter2@host' })).toThrow(/^(?!.*(tiny|hunter2))/s)
  })

  it('reads hashes of keys with commas between them', () => {
    const hashes = ['a', 'b'].map((key) => createHash('sha256').update(key).digest('hex'))
    expect(read({ API_KEY_HASHES: hashes.join(', ') }).API_KEY_HASHES).toEqual(hashes)
  })
})
