import type { RoomProblem, RoomProblemCode } from '../../contract/index.ts'
import type { Log } from '../../observe/log.ts'

const LOOK_MS = 1_000
/** A look that comes so late was not the parts' fault: we slept. They get a moment to go on. */
const SLEPT_MS = 3_000

/** What is wrong, and what to do about it, each in one sentence. */
export interface Finding {
  text: string
  remedy: string
}

/** One part of the room that must never stop without a word. */
export interface Watched {
  code: RoomProblemCode
  /** What is wrong with it at the moment, or null. Must not throw, must not wait. */
  look(): Finding | null
  /** True where a pause of the whole process looks like a standstill of the part. */
  byAge?: boolean
}

/** The pulse of one part: milliseconds since it last made progress. */
export class Pulse {
  #at: number | null = null

  /** The part has just made progress. */
  beat(): void {
    this.#at = performance.now()
  }

  /** The part has nothing to do: it cannot be stuck. */
  rest(): void {
    this.#at = null
  }

  get ageMs(): number | null {
    return this.#at === null ? null : performance.now() - this.#at
  }
}

export interface SelfWatchOptions {
  watched: readonly Watched[]
  /** How long parts have after the whole process slept; asked when it did. */
  graceMs: () => number
  log: Log
  onChange: () => void
  /** Wall clock in epoch ms. */
  now: () => number
}

/** Looks once a second whether every part of the room goes on, and says once in the log when one stops and when it goes on again. */
export class SelfWatch {
  readonly #options: SelfWatchOptions
  readonly #held = new Map<RoomProblemCode, RoomProblem>()
  #timer: NodeJS.Timeout | null = null
  #lookedAt = performance.now()
  #graceUntil = 0

  constructor(options: SelfWatchOptions) {
    this.#options = options
  }

  start(): void {
    if (this.#timer) return
    this.#lookedAt = performance.now()
    this.#timer = setInterval(() => this.#look(), LOOK_MS)
    this.#timer.unref()
  }

  close(): void {
    if (this.#timer) clearInterval(this.#timer)
    this.#timer = null
  }

  /** What is wrong with the room, in the order of `watched`. */
  problems(): RoomProblem[] {
    return this.#options.watched
      .flatMap(({ code }) => this.#held.get(code) ?? [])
      .map((problem) => ({ ...problem, text: sentence(problem.text) }))
  }

  #look(): void {
    const { watched, graceMs, onChange } = this.#options
    const at = performance.now()
    if (at - this.#lookedAt > SLEPT_MS) this.#graceUntil = at + graceMs()
    this.#lookedAt = at
    let changed = false
    for (const { code, look, byAge } of watched) {
      if (byAge === true && at < this.#graceUntil && !this.#held.has(code)) continue
      changed = this.#found(code, look()) || changed
    }
    if (changed) onChange()
  }

  /** Answers whether a problem began or ended. */
  #found(code: RoomProblemCode, finding: Finding | null): boolean {
    const { log, now } = this.#options
    const before = this.#held.get(code)
    if (finding === null) {
      if (!this.#held.delete(code)) return false
      log.info({ problem: code }, 'a problem of the control room has ended')
      return true
    }
    if (before) {
      before.text = finding.text
      before.remedy = finding.remedy
      return false
    }
    this.#held.set(code, { code, ...finding, since: new Date(now()).toISOString() })
    log.warn({ problem: code }, finding.text)
    return true
  }
}

/** What is wrong ends like a sentence, because what to do follows on the same line. */
const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`)
