import type { CountByPart, CounterName } from '../facts.ts'
import { OwnPolls } from '../own-polls.ts'
import { RunNames } from '../run-names.ts'
import type { SeriesCounts } from './facts.ts'

/** What one answer says about which run of the process gave it, and what that has counted. */
export interface SeriesEvidence {
  /** When it was read, epoch ms. */
  readonly at: number
  /** The same by the node's clock, epoch seconds. */
  readonly saidS: number
  /** As the map names runs; null where it does not. */
  readonly epoch: string | null
  readonly uptimeMs: number | null
  /** When the process began, by the map: the process whose counters these are. Epoch seconds by its clock. */
  readonly startedS: number | null
  /** When the process that wrote the page began, which may be an exporter: it counts only with what fell. */
  readonly writerStartedS: number | null
  readonly counters: SeriesCounts
  /** How much of a counter each poll adds itself. */
  readonly owned?: Partial<Record<CounterName, number>>
}

interface Run {
  /** Our own polls, by the counters that count them. */
  polls: Map<CounterName, OwnPolls>
  epoch: string
  named: string | null
  saidS: number
  uptimeMs: number | null
  startedS: number | null
  writerStartedS: number | null
  /** What was counted in this run, by name: it never falls. */
  totals: Map<CounterName, number>
  /** The newest value of each series, `name key`. */
  last: Map<string, number>
  /** Characters in the keys of `last`. */
  chars: number
}

/** The kernel's word for when a process began wobbles by a second where its clock is corrected. */
const WOBBLE_S = 2
/** Series that are remembered after they left the page, and the characters of their labels: a page may have new ones each time. */
const MAX_REMEMBERED = 5_000
const MAX_REMEMBERED_CHARS = 4 * 1024 * 1024

/**
 * Counts what series count, each on its own, so that one that is new, gone, or began anew changes nothing but itself. Tells runs of the process apart; a false restart would add all that was ever counted to one poll, so only
 * plain evidence counts.
 */
export class SeriesRuns {
  readonly #runs = new Map<string, Run>()
  /** Polls that were sent since the last answer. */
  readonly #asked = new Map<string, number>()
  readonly #names = new RunNames()

  /** The program was asked, whatever becomes of the answer. */
  ask(id: string): void {
    this.#asked.set(id, (this.#asked.get(id) ?? 0) + 1)
  }

  take(
    id: string,
    evidence: SeriesEvidence,
  ): { epoch: string; counters: Partial<Record<CounterName, CountByPart>> } {
    const before = this.#runs.get(id)
    const run = before === undefined || isAnother(before, evidence) ? this.#begin(evidence) : before
    for (const [name, series] of evidence.counters) {
      const total = run.totals.get(name)
      // What was not there before was counted at a time that is not known: all of it is where counting begins.
      if (total === undefined) run.totals.set(name, sum(series.values()))
      else
        run.totals.set(
          name,
          total + sum([...series].map(([key, count]) => risen(run.last.get(`${name} ${key}`), count))),
        )
      remember(run, name, series)
    }
    if (run.last.size > MAX_REMEMBERED || run.chars > MAX_REMEMBERED_CHARS) {
      run.last = new Map()
      run.chars = 0
      for (const [name, series] of evidence.counters) remember(run, name, series)
    }
    run.saidS = evidence.saidS
    run.named = evidence.epoch ?? run.named
    run.uptimeMs = evidence.uptimeMs ?? run.uptimeMs
    run.startedS = evidence.startedS ?? run.startedS
    run.writerStartedS = evidence.writerStartedS ?? run.writerStartedS
    this.#runs.set(id, run)
    // What was asked of the process before this one, it does not count.
    const asked = run === before ? (this.#asked.get(id) ?? 1) : 1
    this.#asked.delete(id)
    const counters: Partial<Record<CounterName, CountByPart>> = {}
    for (const name of evidence.counters.keys()) {
      const total = run.totals.get(name) ?? 0
      const each = evidence.owned?.[name] ?? 0
      counters[name] = { page: Math.max(0, total - (each === 0 ? 0 : oursIn(run, name, total, asked, each))) }
    }
    return { epoch: run.epoch, counters }
  }

  forget(id: string): void {
    this.#runs.delete(id)
    this.#asked.delete(id)
  }

  #begin({ at, saidS, epoch, uptimeMs, startedS, writerStartedS }: SeriesEvidence): Run {
    return {
      polls: new Map(),
      epoch: epoch ?? this.#names.next(at),
      named: epoch,
      saidS,
      uptimeMs,
      startedS,
      writerStartedS,
      totals: new Map(),
      last: new Map(),
      chars: 0,
    }
  }
}

/** How much of a total is our own polls, of which each adds so much. */
const oursIn = (run: Run, name: CounterName, total: number, asked: number, each: number): number => {
  const polls = run.polls.get(name) ?? new OwnPolls()
  run.polls.set(name, polls)
  polls.ask(asked)
  return polls.of(total, each)
}

const remember = (run: Run, name: CounterName, series: ReadonlyMap<string, number>): void => {
  for (const [label, count] of series) {
    const key = `${name} ${label}`
    if (!run.last.has(key)) run.chars += key.length
    run.last.set(key, count)
  }
}

const isAnother = (before: Run, now: SeriesEvidence): boolean => {
  if (before.named !== null && now.epoch !== null) return before.named !== now.epoch
  if (before.uptimeMs !== null && now.uptimeMs !== null) return now.uptimeMs < before.uptimeMs
  // Who began after the last answer did not give it. A clock that was set moves the beginning too, but seldom beyond that answer.
  if (before.startedS !== null && now.startedS !== null) {
    if (now.startedS === before.startedS) return false
    if (now.startedS > before.startedS + WOBBLE_S && now.startedS >= before.saidS - WOBBLE_S) return true
  }
  const { fell, held } = compare(before, now.counters)
  const isWriterAnother =
    before.writerStartedS !== null &&
    now.writerStartedS !== null &&
    Math.abs(now.writerStartedS - before.writerStartedS) > WOBBLE_S
  return fell > 0 && (isWriterAnother || held === 0)
}

/** How many series that had counted something count less now, and how many do not. */
const compare = (before: Run, counters: SeriesCounts): { fell: number; held: number } => {
  let fell = 0
  let held = 0
  for (const [name, series] of counters)
    for (const [key, count] of series) {
      const last = before.last.get(`${name} ${key}`)
      if (last === undefined || last === 0) continue
      if (count < last) fell += 1
      else held += 1
    }
  return { fell, held }
}

/** One that fell while the process went on may be no counter at all: taken for one that began anew it would add all of itself. */
const risen = (last: number | undefined, now: number): number =>
  last === undefined ? now : Math.max(0, now - last)

const sum = (counts: Iterable<number>): number => {
  let total = 0
  for (const count of counts) total += count
  return total
}
