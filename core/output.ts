import { isUtf8 } from 'node:buffer'
import type { Encoding } from './execution.ts'

export interface EncodedOutput {
  text: string
  encoding: Encoding
}

/**
 * Bytes as a string that JSON can carry: UTF-8 where they are, base64 where they are not.
 * @param cut whether the bytes were cut at a limit: then a character that was cut in the middle is dropped, instead of turning all the text into base64.
 */
export function encodeOutput(bytes: Buffer, cut: boolean): EncodedOutput {
  if (isUtf8(bytes)) return { text: bytes.toString('utf8'), encoding: 'utf8' }
  if (cut) {
    const whole = bytes.subarray(0, bytes.length - incompleteTail(bytes))
    if (isUtf8(whole)) return { text: whole.toString('utf8'), encoding: 'utf8' }
  }
  return { text: bytes.toString('base64'), encoding: 'base64' }
}

/** The inverse of encodeOutput: the bytes. */
export function decodeOutput({ text, encoding }: EncodedOutput): Buffer {
  return Buffer.from(text, encoding)
}

/** How many bytes at the end begin a character that does not end (0 to 3; RFC 3629). */
function incompleteTail(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0
    if (byte < 0x80) return 0
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? back : 0
  }
  return 0
}
