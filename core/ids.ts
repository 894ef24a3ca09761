import { createHmac, createSecretKey, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto'

const TIME_BYTES = 6
const RANDOM_BYTES = 8
const MAC_BYTES = 10
const BYTES = TIME_BYTES + RANDOM_BYTES + MAC_BYTES

/** 48 hex digits: a valid label value, and short enough that `execution-` + id is a valid annotation name (63 characters at most). */
export const EXECUTION_ID = /^[0-9a-f]{48}$/

/**
 * Ids of executions: 48 bits of Unix milliseconds, 64 random bits, 80 bits of HMAC-SHA-256 over both.
 * So an id can't be guessed, sorts by time, and any replica can tell without a database whether this installation made it, and when.
 */
export class ExecutionIds {
  /** An object and not the bytes: with those, every HMAC would make the object anew, 14 us in place of 3. */
  readonly #key: KeyObject

  /** @param key at least 16 bytes; the same in every replica, kept across upgrades. */
  constructor(key: string | Buffer) {
    const bytes = Buffer.from(key)
    if (bytes.length < 16) throw new Error('The key of the execution ids must have at least 16 bytes')
    this.#key = createSecretKey(bytes)
  }

  create(now: number): string {
    const body = Buffer.alloc(TIME_BYTES + RANDOM_BYTES)
    body.writeUIntBE(now, 0, TIME_BYTES)
    randomBytes(RANDOM_BYTES).copy(body, TIME_BYTES)
    return Buffer.concat([body, this.#mac(body)]).toString('hex')
  }

  /** When the id was made (Unix milliseconds), or undefined when this installation did not make it. */
  verify(id: string): number | undefined {
    if (!EXECUTION_ID.test(id)) return undefined
    const bytes = Buffer.from(id, 'hex')
    const body = bytes.subarray(0, BYTES - MAC_BYTES)
    return timingSafeEqual(bytes.subarray(BYTES - MAC_BYTES), this.#mac(body))
      ? body.readUIntBE(0, TIME_BYTES)
      : undefined
  }

  #mac(body: Buffer): Buffer {
    return createHmac('sha256', this.#key).update(body).digest().subarray(0, MAC_BYTES)
  }
}
