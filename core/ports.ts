import type { ErrorCode } from './errors.ts'
import type { Envelope, ExecutionRecord, Result } from './execution.ts'
import type { AgentFrame, RunnerFrame } from './frames.ts'
import type { Span } from './trace.ts'

/**
 * The three things that differ between Kubernetes and the embedded mode, as their callers see them:
 * ExecutionQueue (Publisher for the api, Consumer for the runner), SandboxProvider, ExecutionStore (Records for the api, Recorder for the runner).
 */

// ---- queue -------------------------------------------------------------------------------------------------------------------------------------------

/** The answer to an execution that somebody waits for. Travels between processes, so an error is its code and public text. */
export type Reply =
  | { id: string; result: Result; timings?: Timings | undefined }
  | { id: string; error: { code: ErrorCode; message: string } }

/** Where the time went, step by step in milliseconds. Only there when asked for (TIMINGS). */
export type Timings = Record<string, number>

export interface Publisher {
  /**
   * Hands over an execution that must not be lost: resolves when the queue has it for good.
   * @param maxOutstanding how many of the envelope's caller may be handed over and not have ended, this one included; as far as is known, across all replicas
   * @throws AppError queue_full, queue_unavailable, too_many_outstanding
   */
  schedule(envelope: Envelope, maxOutstanding?: number): Promise<void>
  /**
   * Hands over an execution and waits for its end. Resolves with undefined when it outlasts `waitMs`.
   * @throws AppError overloaded (its turn would come too late), queue_full, queue_unavailable, or what the runner replied
   */
  run(envelope: Envelope, waitMs: number): Promise<{ result: Result; timings?: Timings | undefined } | undefined>
  /** Whether an execution of which nothing is recorded may still be on its way; false only when that is sure. */
  mayStillRun(id: string): Promise<boolean>
}

export interface Delivery {
  envelope: Envelope
  /** It may have been handed out before: look for a record before running it. */
  redelivered: boolean
  /** Answers somebody who waits; undefined for a scheduled execution. Never throws, never waits. */
  reply?: ((reply: Reply) => void) | undefined
  /** Unix milliseconds at which the waiting caller gives up; undefined for a scheduled execution. */
  replyBefore?: number | undefined
  /**
   * Only where a run was given up whose caller may have been told 202: hands it over anew, as a scheduled execution, so that it is tried as often as one. False
   * when the queue did not take it. Never rejects.
   */
  reschedule?: (() => Promise<boolean>) | undefined
  /** False as soon as the queue may have handed it to somebody else: its connection is gone. Always held when this is missing. */
  isHeld?: (() => boolean) | undefined
  /** Its part of the trace of the request that it comes from, where requests are traced. */
  trace?: Span | undefined
}

/**
 * What becomes of a delivery: done with; hand it out again (counts as an attempt, after a pause that the queue makes: what failed just now fails again now);
 * give it up (it is recorded as lost).
 */
export type Verdict = 'ack' | 'requeue' | 'dead-letter'

export type DeliveryHandler = (delivery: Delivery) => Promise<Verdict>

export interface Consumer {
  /** Takes executions of one language, at most `capacity` at a time of each kind (scheduled, run). Calling it again changes the capacity; 0 takes nothing. */
  consume(language: string, capacity: number, handler: DeliveryHandler): Promise<void>
  /** Takes executions that were given up, of all languages, so that their end can be recorded. */
  consumeDeadLetters(handler: DeliveryHandler): Promise<void>
  /** Takes nothing new; what was handed out can still be acknowledged. */
  stop(): Promise<void>
}

/** Messages that wait in one queue; those that runners hold are not among them. Dead letters, and what was put aside for a newer runner, are of the language `all`. */
export interface QueueDepth {
  language: string
  queue: 'executions' | 'runs' | 'dead-letters' | 'parked'
  messages: number
}

export interface QueueDepths {
  /** As far as is known now: a queue that can't be asked is left out. */
  depths(languages: readonly string[]): Promise<QueueDepth[]>
}

// ---- sandboxes ---------------------------------------------------------------------------------------------------------------------------------------

/** Why a sandbox can no longer be used. */
export type SandboxEnd =
  /** Its one execution is over, or we destroyed it. */
  | { reason: 'finished' }
  /** The kernel ended it for memory, agent included. */
  | { reason: 'out_of_memory' }
  /** Evicted, deleted, its stream broke, it broke the protocol, it reported a fault: `detail` is for the log. */
  | { reason: 'lost'; detail: string }

/** One place to run one program, used once. Whether it is a pod, a process or a slot in a bigger one is its provider's business. */
export interface Sandbox {
  /** Unique; how an operator finds it: the Job's name on Kubernetes. */
  readonly name: string
  readonly language: string
  /** The version of the interpreter that really runs in it. */
  readonly version: string
  /** Settles once, never rejects. */
  readonly ended: Promise<SandboxEnd>
  /** The one listener for the frames of its execution, in order. Set before `send`. */
  onFrame(listener: (frame: AgentFrame) => void): void
  send(frame: RunnerFrame): void
  /**
   * Whether what its agent says still comes through, found out now. Where nothing lies between agent and runner that could keep silent there is nothing to ask.
   */
  isHeard?(): Promise<boolean>
  /** Ends it whatever it does, frees all it holds. Safe to call again; resolves when it no longer counts. */
  destroy(): Promise<void>
}

export interface SandboxProvider {
  /**
   * Makes a sandbox: resolves when its agent is ready and its stream attached.
   * @throws AppError no_capacity: a quota or full nodes leave no room for it now. sandbox_unavailable: its image can't be pulled, it crashed, it was not ready in
   *   time; the message says which.
   */
  start(language: string, signal: AbortSignal): Promise<Sandbox>
}

// ---- results -----------------------------------------------------------------------------------------------------------------------------------------

export interface Recorder {
  /**
   * To be called before another attempt at an execution: whether a final record of it exists. When there is none, earlier attempts that may still run elsewhere
   * can no longer record anything on the sandbox that they have.
   */
  takeOver(id: string): Promise<boolean>
  /** Says that the execution runs, for those who look; losing this is no harm. */
  markRunning(id: string, sandbox: Sandbox): Promise<void>
  /**
   * Keeps the end of an execution for good. The first record of an id stays, and there is never a second one: so a sandbox is given only by the first attempt at
   * an execution, and while the execution is held; all other attempts share one place for each id.
   */
  record(record: ExecutionRecord, sandbox?: Sandbox, options?: RecordOptions): Promise<void>
}

export interface RecordOptions {
  /** See Delivery. */
  isHeld?: (() => boolean) | undefined
  /** Nobody waits for it, as its caller has the result: it may be written a little later, together with others. */
  unhurried?: boolean
}

export type Lookup = { status: 'queued' | 'running' } | { status: 'final'; record: ExecutionRecord }

export interface Records {
  /**
   * How an execution stands; `queued` when nothing is recorded of it. Waits up to `waitMs` for its end.
   * @throws AppError store_unavailable
   */
  find(id: string, waitMs: number, signal?: AbortSignal): Promise<Lookup>
}
