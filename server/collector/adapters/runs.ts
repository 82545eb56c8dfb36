import { type CounterName, type Counters, withNewer } from './facts.ts'
import { RunNames } from './run-names.ts'

/** What one answer says about which run of the process gave it. */
export interface RunEvidence {
  /** When it was read, epoch ms. */
  at: number
  /** As the program names its runs; null where it does not. */
  epoch: string | null
  uptimeMs: number | null
  counters: Counters
}

interface Run {
  /** When its newest answer was read, epoch ms. */
  at: number
  epoch: string
  uptimeMs: number | null
  counters: Counters
}

/**
 * Tells the runs of processes apart that do not name them, so that a counter that began anew is not taken for one that fell. Only plain
 * evidence counts: a false restart would add all that was ever counted to one poll, a missed one costs the increase of one poll.
 */
export class Runs {
  readonly #known = new Map<string, Run>()
  readonly #names = new RunNames()

  /** The epoch of the run that gave this answer. */
  epochOf(id: string, evidence: RunEvidence): string {
    const { epoch, uptimeMs, counters } = evidence
    const before = this.#known.get(id)
    const isNew = before === undefined || hasRestarted(before, evidence)
    const run = epoch ?? (isNew ? this.#names.next(evidence.at) : before.epoch)
    const isSame = before !== undefined && run === before.epoch
    // What is missing in one answer is compared again when it is back.
    const known = isSame ? withNewer(before.counters, counters) : counters
    this.#known.set(id, { at: evidence.at, epoch: run, uptimeMs, counters: known })
    return run
  }

  forget(id: string): void {
    this.#known.delete(id)
  }
}

/** Programs say in whole seconds how long they run. */
const UPTIME_STEP_MS = 1_000

const hasRestarted = (before: Run, { at, uptimeMs, counters }: RunEvidence): boolean => {
  // Where both answers say how long it runs, that is the whole truth. Of two looks at once the earlier may be done last: it saw less.
  if (before.uptimeMs !== null && uptimeMs !== null) {
    const earlierMs = before.at > at ? before.at - at + UPTIME_STEP_MS : 0
    return uptimeMs < before.uptimeMs - earlierMs
  }
  let fell = false
  for (const name of Object.keys(counters) as CounterName[]) {
    const then = before.counters[name]
    const now = counters[name]
    if (then === undefined || now === undefined) continue
    for (const [part, count] of Object.entries(now)) {
      const last = then[part]
      if (typeof last !== 'number') continue
      // One that goes up and down is no counter, whatever it was mapped to: the others say that the process goes on.
      if (count > last) return false
      fell ||= count < last
    }
  }
  return fell
}
