/**
 * What the code needs to say where the time of a request went, across processes: a span for each part, each the child of the one that caused it. Off by default,
 * and then there is no tracer at all. Facts are ids, names and numbers; never code, stdin, output, environment or keys.
 */
export type Facts = Record<string, string | number | boolean>

/** Who waits for whom: a server answers, a client waits for its answer, a producer hands over, a consumer takes. */
export type SpanKind = 'server' | 'client' | 'producer' | 'consumer'

export interface Span {
  /** Names it for its children in other processes, as in the header of that name (W3C Trace Context). */
  readonly traceparent: string
  rename(name: string): void
  note(facts: Facts): void
  /** Adds a child that is over: from and to in milliseconds of Clock.monotonic. */
  step(name: string, from: number, to: number, facts?: Facts): void
  /** @param reason a code, for nobody reads a text by machine */
  fail(reason: string): void
  end(): void
}

export interface SpanStart {
  kind: SpanKind
  /** The traceparent of the one that caused it. Without it, or when it is none, a new trace begins. */
  parent?: string | undefined
  facts?: Facts
}

export interface Tracer {
  begin(name: string, start: SpanStart): Span
  /** Runs `work` as part of a span: `current` is that span in it, also after an await. */
  within<Answer>(span: Span, work: () => Answer): Answer
  current(): Span | undefined
}

/** Disposing of it sends what was not sent yet, for a few seconds at most; never rejects. */
export interface Traces extends Tracer, AsyncDisposable {}

/** Version 00 exactly: no upper case, no id of zeros, nothing behind it. It comes from callers, so anything else is no traceparent. */
export const TRACEPARENT = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/
