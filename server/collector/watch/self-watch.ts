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

  /** The part has nothing to do: it cannot stand still. */
  rest(): void {
    this.#at = null
  }

  get ageMs(): number | null {
    return this.#at === null ? null : performance.now() - this.#at
  }
}

export interface SelfWatch {
  start(): void
  close(): void
  /** What is wrong with the room, in the order of `watched`. */
  problems(): RoomProblem[]
}

/**
 * Looks once a second whether every part of the room goes on, and says once in the log when one stops and when it goes on again.
 *
 * @param options.graceMs how long parts have after the whole process slept
 */
export const createSelfWatch = (options: {
  watched: readonly Watched[]
  graceMs: number
  log: Log
  onChange: () => void
  /** Wall clock in epoch ms. */
  now: () => number
}): SelfWatch => {
  let timer: NodeJS.Timeout | null = null
  let lookedAt = performance.now()
  let graceUntil = 0
  const held = new Map<RoomProblemCode, RoomProblem>()

  const look = (): void => {
    const at = performance.now()
    if (at - lookedAt > SLEPT_MS) graceUntil = at + options.graceMs
    lookedAt = at
    let changed = false
    for (const { code, look: lookAt, byAge } of options.watched) {
      if (byAge === true && at < graceUntil && !held.has(code)) continue
      const finding = lookAt()
      const before = held.get(code)
      if (finding === null) {
        if (!held.delete(code)) continue
        options.log.info({ problem: code }, 'a problem of the control room has ended')
      } else if (before) {
        before.text = finding.text
        before.remedy = finding.remedy
        continue
      } else {
        held.set(code, { code, ...finding, since: new Date(options.now()).toISOString() })
        options.log.warn({ problem: code }, finding.text)
      }
      changed = true
    }
    if (changed) options.onChange()
  }

  return {
    start() {
      if (timer) return
      lookedAt = performance.now()
      timer = setInterval(look, LOOK_MS)
      timer.unref()
    },
    close() {
      if (timer) clearInterval(timer)
      timer = null
    },
    problems: () =>
      options.watched
        .flatMap(({ code }) => held.get(code) ?? [])
        .map((problem) => ({ ...problem, text: sentence(problem.text) })),
  }
}

/** What is wrong ends like a sentence, because what to do follows on the same line. */
const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`)
