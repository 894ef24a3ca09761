import type { MessageProperties, Options } from 'amqplib'
import { z } from 'zod'
import { ERROR_CODES } from '../core/errors.ts'
import { type Envelope, Result } from '../core/execution.ts'
import type { Reply } from '../core/ports.ts'
import { readEnvelope } from '../core/versions.ts'

/**
 * What travels through RabbitMQ. The body is JSON: an Envelope one way, a Reply the other. Properties:
 * - messageId: the execution's id;
 * - replyTo, correlationId: only when somebody waits, the queue of the replica that waits and the id again;
 * - header `runlet-reply-before`: Unix milliseconds at which the one who waits gives up;
 * - header `runlet-repeated`: it may have been handed out before, or be there twice: its publisher never heard of a first try, or it was parked (parking.ts).
 */
const REPLY_BEFORE = 'runlet-reply-before'
const REPEATED = 'runlet-repeated'

/** Api and runner are not replaced in the same moment: a code that only a newer runner knows is trouble of ours. */
const ReplyMessage = z.union([
  z.object({ id: z.string(), result: Result, timings: z.record(z.string(), z.number()).optional() }),
  z.object({ id: z.string(), error: z.object({ code: z.enum(ERROR_CODES).catch('internal'), message: z.string() }) }),
])

/** What ConfirmedChannel tells messages apart by is always there. */
type Identified = Options.Publish & { messageId: string }

export function scheduleProperties(id: string, repeated: boolean): Identified {
  return {
    messageId: id,
    persistent: true,
    mandatory: true,
    contentType: 'application/json',
    ...(repeated && { headers: { [REPEATED]: true } }),
  }
}

export function runProperties(id: string, replyTo: string, replyBefore: number): Identified {
  return {
    messageId: id,
    correlationId: id,
    replyTo,
    persistent: false,
    mandatory: true,
    contentType: 'application/json',
    headers: { [REPLY_BEFORE]: replyBefore },
  }
}

/**
 * Of the copy of a run that outlasts its wait: nobody takes it, and when it expires it is a dead letter. The address says that it was a run; there is no time in which
 * somebody waits any more, which a runner whose clock is wrong could take to be not over.
 */
export function adoptedProperties(id: string, replyTo: string, expiration: number): Identified {
  return { ...scheduleProperties(id, false), replyTo, expiration }
}

export function encode(value: Envelope | Reply): Buffer {
  return Buffer.from(JSON.stringify(value))
}

/** The body of a message, or what is wrong with it in words that hold nothing of it. */
type Decoded<Value> = { value: Value } | { fault: string }

/**
 * @param language what the queue is for; undefined where all languages meet.
 * @returns `newer`: it has that version, which a newer Runlet writes
 */
export function decodeEnvelope(content: Buffer, language?: string): Decoded<Envelope> | { newer: number } {
  const parsed = parse(content)
  if ('fault' in parsed) return parsed
  const reading = readEnvelope(parsed.json)
  if ('fault' in reading) return { fault: describeAll(reading.fault) }
  if ('newer' in reading || language === undefined || reading.value.program.language === language) return reading
  return { fault: `program.language: is not that of the queue, "${language}"` }
}

export function decodeReply(content: Buffer): Decoded<Reply> {
  const parsed = parse(content)
  if ('fault' in parsed) return parsed
  const reply = ReplyMessage.safeParse(parsed.json)
  return reply.success ? { value: reply.data } : { fault: describeAll(reply.error) }
}

function parse(content: Buffer): { json: unknown } | { fault: string } {
  try {
    return { json: JSON.parse(content.toString('utf8')) }
  } catch {
    // The parser's own message quotes the text, and that may be somebody's program.
    return { fault: 'is not JSON' }
  }
}

const describeAll = ({ issues }: z.ZodError) => issues.map(describe).join('; ')

/** Keys further inside (`program.env.NAME`) are the sender's own words. */
function describe({ path, message }: z.core.$ZodIssue): string {
  return `${path.slice(0, 2).join('.') || 'body'}: ${message}`
}

/** Whether a message may have been handed out before, by this or another consumer, or be the second of two. */
export function wasDelivered(redelivered: boolean, { headers }: MessageProperties): boolean {
  return redelivered || headers?.[REPEATED] === true || Number(headers?.['x-delivery-count'] ?? 0) > 0
}

/** Where to answer, if somebody waits. A queue that is not one of ours is nobody: a message must not make the runner write elsewhere. */
export function replyAddress(
  { replyTo, headers }: MessageProperties,
  repliesPrefix: string,
): { replyTo: string; replyBefore: number | undefined } | undefined {
  if (typeof replyTo !== 'string' || !replyTo.startsWith(repliesPrefix)) return undefined
  const deadline: unknown = headers?.[REPLY_BEFORE]
  return { replyTo, replyBefore: typeof deadline === 'number' && Number.isFinite(deadline) ? deadline : undefined }
}
