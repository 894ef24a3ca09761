/** Spans by OpenTelemetry, sent by OTLP over HTTP. Imported by open-traces.ts only, and only when it is on. Sets nothing global: two in one process do not meet. */
import { AsyncLocalStorage } from 'node:async_hooks'
import {
  ROOT_CONTEXT,
  type Span as SdkSpan,
  type Tracer as SdkTracer,
  SpanKind,
  SpanStatusCode,
  type TimeInput,
  trace,
} from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  type SpanExporter,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import type { Log } from '../core/log.ts'
import { type Facts, type Span, type SpanStart, TRACEPARENT, type Tracer, type Traces } from '../core/trace.ts'

export interface StartTracesOptions {
  endpoint: string
  ratio: number
  service: string
  instance?: string
  log: Log
}

/** Spans that wait to be sent, about 1 KiB each; more are dropped. */
const MAX_WAITING = 8192
/** A collector that does not answer must not hold up a process that ends. */
const SEND_TIMEOUT_MS = 5_000
/** A collector that is away would be said to be away every few seconds. */
const WARN_EVERY_MS = 60_000
/** Wall clocks are set, the monotonic one is not: what is between them is looked at again when they disagree by more. */
const DRIFT_MS = 5

const KINDS = {
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
} as const

export function startTraces({ endpoint, ratio, service, instance, log }: StartTracesOptions): Traces {
  const url = `${endpoint.replace(/\/+$/, '')}/v1/traces`
  const exporter = complaining(new OTLPTraceExporter({ url, timeoutMillis: SEND_TIMEOUT_MS }), log)
  const provider = new TracerProvider({
    // What began elsewhere is traced here if it is traced there: a trace is whole or not at all.
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) }),
    resource: resourceFromAttributes({ 'service.name': service, ...(instance && { 'service.instance.id': instance }) }),
    spanProcessors: [new BatchSpanProcessor({ exporter, maxQueueSize: MAX_WAITING })],
  })
  const tracer = new OpenTelemetryTracer(provider.getTracer('runlet'))
  // That the last spans could not be sent is in the log, and no reason for a process to fail at its end.
  return Object.assign(tracer, { [Symbol.asyncDispose]: () => provider.shutdown().catch(() => undefined) })
}

class OpenTelemetryTracer implements Tracer {
  readonly #tracer: SdkTracer
  readonly #times = new UnixTimes()
  readonly #current = new AsyncLocalStorage<Span>()

  constructor(tracer: SdkTracer) {
    this.#tracer = tracer
  }

  begin(name: string, { kind, parent, facts = {} }: SpanStart): Span {
    const startTime = this.#times.of(performance.now())
    const span = this.#tracer.startSpan(name, { kind: KINDS[kind], attributes: facts, startTime }, contextOf(parent))
    return new OpenTelemetrySpan(this.#tracer, span, this.#times)
  }

  within<Answer>(span: Span, work: () => Answer): Answer {
    return this.#current.run(span, work)
  }

  current(): Span | undefined {
    return this.#current.getStore()
  }
}

class OpenTelemetrySpan implements Span {
  readonly traceparent: string
  readonly #tracer: SdkTracer
  readonly #span: SdkSpan
  readonly #times: UnixTimes

  constructor(tracer: SdkTracer, span: SdkSpan, times: UnixTimes) {
    const { traceId, spanId, traceFlags } = span.spanContext()
    this.#tracer = tracer
    this.#span = span
    this.#times = times
    this.traceparent = `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`
  }

  rename(name: string): void {
    this.#span.updateName(name)
  }

  note(facts: Facts): void {
    this.#span.setAttributes(facts)
  }

  step(name: string, from: number, to: number, facts: Facts = {}): void {
    const options = { startTime: this.#times.of(from), attributes: facts }
    this.#tracer.startSpan(name, options, trace.setSpan(ROOT_CONTEXT, this.#span)).end(this.#times.of(to))
  }

  fail(reason: string): void {
    this.#span.setStatus({ code: SpanStatusCode.ERROR, message: reason })
  }

  end(): void {
    this.#span.end(this.#times.of(performance.now()))
  }
}

/** Monotonic times of this process as Unix times that agree with each other to the microsecond. */
class UnixTimes {
  #offset = performance.timeOrigin

  of(monotonic: number): TimeInput {
    const offset = Date.now() - performance.now()
    if (Math.abs(offset - this.#offset) > DRIFT_MS) this.#offset = offset
    return this.#offset + monotonic
  }
}

function contextOf(traceparent: string | undefined) {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(traceparent ?? '') ?? []
  if (traceId === undefined || spanId === undefined || flags === undefined) return ROOT_CONTEXT
  const traceFlags = Number.parseInt(flags, 16)
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true })
}

/** Says in the log that spans could not be sent, but not each time. */
function complaining(exporter: SpanExporter, log: Log): SpanExporter {
  let quietUntil = 0
  return {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        if (result.error && performance.now() >= quietUntil) {
          quietUntil = performance.now() + WARN_EVERY_MS
          log.warn({ spans: spans.length, reason: result.error.message }, 'Traces could not be sent')
        }
        done(result)
      }),
    forceFlush: async () => await exporter.forceFlush?.(),
    shutdown: () => exporter.shutdown(),
  }
}
