import { plural } from '../../contract/words.ts'
import { type Facts, totalOf } from '../adapters/facts.ts'
import type { DrainClock } from './drain-clock.ts'

/** Rates are of the last so many milliseconds; less says nothing. */
const WINDOW_MS = 10_000
const LEAST_MS = 4_000
/** Requests for each new connection above which they say more than connections do. */
const KEPT_ALIVE_FROM = 3

interface Look {
  readonly at: number
  readonly epoch: string
  readonly accepted: number | undefined
  readonly requests: number | undefined
}

/** Whether a node takes new traffic, by what it counts itself. Counters of one run alone are compared. */
export class Traffic {
  readonly #clock: Pick<DrainClock, 'monotonic'>
  #looks: Look[] = []

  constructor(clock: Pick<DrainClock, 'monotonic'>) {
    this.#clock = clock
  }

  see(facts: Facts): void {
    const look = {
      at: this.#clock.monotonic(),
      epoch: facts.epoch,
      accepted: totalOf(facts, 'connections_accepted'),
      requests: totalOf(facts, 'requests'),
    }
    const kept = this.#looks.filter(({ at, epoch }) => epoch === look.epoch && look.at - at <= WINDOW_MS)
    this.#looks = [...kept, look]
  }

  /** `takes 2.5 connections/s`, or `answers 10 requests/s`; null where nothing new comes in, or that is not known (yet). */
  words(): string | null {
    const accepted = this.#rateOf('accepted')
    const requests = this.#rateOf('requests')
    // Connections that are kept alive carry what comes: a new one now and then is the least of it.
    if (accepted > 0 && requests <= accepted * KEPT_ALIVE_FROM)
      return `takes ${rateWords(accepted, 'connection')}`
    return requests > 0 ? `answers ${rateWords(requests, 'request')}` : null
  }

  /** Per second; 0 where it is not known. */
  #rateOf(name: 'accepted' | 'requests'): number {
    const known = this.#looks.filter((look) => look[name] !== undefined)
    const first = known[0]
    const last = known.at(-1)
    if (first === undefined || last === undefined || last.at - first.at < LEAST_MS) return 0
    return Math.max(0, (((last[name] ?? 0) - (first[name] ?? 0)) * 1_000) / (last.at - first.at))
  }
}

const rateWords = (rate: number, one: string): string => {
  if (rate >= 10) return `${plural(Math.round(rate), one)}/s`
  const rounded = Math.max(0.1, Math.round(rate * 10) / 10)
  return `${rounded} ${rounded === 1 ? one : `${one}s`}/s`
}
