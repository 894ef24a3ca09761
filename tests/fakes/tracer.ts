import { AsyncLocalStorage } from 'node:async_hooks'
import type { Facts, Span, SpanStart, Tracer } from '../../core/trace.ts'

export class MemorySpan implements Span {
  readonly traceparent: string
  readonly parent: string | undefined
  readonly kind: string
  name: string
  facts: Facts
  readonly steps: string[] = []
  failure: string | undefined
  ended = 0

  constructor(name: string, { kind, parent, facts = {} }: SpanStart, number: number) {
    this.name = name
    this.kind = kind
    this.parent = parent
    this.facts = facts
    this.traceparent = `00-${'a'.repeat(32)}-${number.toString(16).padStart(16, '0')}-01`
  }

  rename = (name: string) => {
    this.name = name
  }
  note = (facts: Facts) => {
    this.facts = { ...this.facts, ...facts }
  }
  step = (name: string) => void this.steps.push(name)
  fail = (reason: string) => {
    this.failure = reason
  }
  end = () => {
    this.ended += 1
  }
}

/** Keeps the spans that were begun, in order. */
export class MemoryTracer implements Tracer {
  readonly spans: MemorySpan[] = []
  readonly #current = new AsyncLocalStorage<Span>()

  begin(name: string, start: SpanStart): Span {
    const span = new MemorySpan(name, start, this.spans.length + 1)
    this.spans.push(span)
    return span
  }

  within = <Answer>(span: Span, work: () => Answer) => this.#current.run(span, work)
  current = () => this.#current.getStore()
}
