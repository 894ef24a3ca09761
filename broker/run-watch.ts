import { patienceOf, RunMeter } from '../core/run-load.ts'
import type { Depths } from './depths.ts'
import type { RunAnswer } from './pending-runs.ts'
import type { Names } from './topology.ts'

/** Between two looks at the length of a queue; a look is one question to the broker. */
const LOOK_MS = 100
/** Fewer runs under way say nothing of a crowd: nobody looks. */
const CROWD = 3

interface Watched {
  meter: RunMeter
  lookedAt: number
  looking: boolean
}

/** Turns runs away that could not be served in time, as soon as that is known: from the length of their queue and from how fast our own get their results. */
export class RunWatch {
  readonly #names: Names
  readonly #depths: Pick<Depths, 'messagesIn'>
  readonly #now: () => number
  readonly #languages = new Map<string, Watched>()

  constructor(names: Names, depths: Pick<Depths, 'messagesIn'>, now: () => number = () => performance.now()) {
    this.#names = names
    this.#depths = depths
    this.#now = now
  }

  /**
   * Lets a run of `waitMs` come, or not.
   * @throws AppError overloaded; whatever `task` throws
   */
  async admit(language: string, waitMs: number, task: () => Promise<RunAnswer>): Promise<RunAnswer> {
    const watched = this.#languages.get(language) ?? this.#watch(language, waitMs)
    const { meter } = watched
    this.#look(language, watched)
    meter.admit(this.#now())
    let answer: RunAnswer
    try {
      answer = await task()
      return answer
    } finally {
      meter.end(answer !== undefined, this.#now())
    }
  }

  #watch(language: string, waitMs: number): Watched {
    const watched = { meter: new RunMeter(patienceOf(waitMs)), lookedAt: Number.NEGATIVE_INFINITY, looking: false }
    this.#languages.set(language, watched)
    return watched
  }

  /** Nobody waits for it: the next run knows. */
  #look(language: string, watched: Watched): void {
    const now = this.#now()
    if (watched.looking || watched.meter.underWay < CROWD || now - watched.lookedAt < LOOK_MS) return
    watched.looking = true
    watched.lookedAt = now
    void this.#depths.messagesIn(this.#names.runs(language)).then((messages) => {
      watched.looking = false
      if (messages !== undefined) watched.meter.see(messages, this.#now())
    })
  }
}
