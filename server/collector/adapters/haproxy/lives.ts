import { durationWords, plural } from '../../../contract/words.ts'
import { Runs } from '../runs.ts'
import type { NodeFacts } from './facts.ts'
import type { ProcessInfo } from './process-info.ts'

/** How long it is worth saying that a process before this one may still be there. */
const TOLD_MS = 10 * 60_000

interface Life {
  epoch: string
  pid: number | null
  /** Sessions of its newest answer. */
  sessions: number
  /** What the process before it held when it was last seen, and when that was, epoch ms. */
  before: { sessions: number; at: number } | null
}

/**
 * Tells the processes of each HAProxy apart. A reload starts a new one on the same socket while the old one finishes its sessions, and
 * nothing at that socket speaks of those any more.
 */
export class Lives {
  readonly #runs = new Runs()
  readonly #known = new Map<string, Life>()

  /** The run that gave this answer, and what there is to say about the one before it. */
  see(id: string, at: number, info: ProcessInfo, facts: NodeFacts): { epoch: string; problems: string[] } {
    const epoch = this.#epochOf(id, at, info, facts)
    const last = this.#known.get(id)
    const sessions = facts.gauges.connections ?? 0
    const before =
      last === undefined || last.epoch === epoch ? (last?.before ?? null) : { sessions: last.sessions, at }
    this.#known.set(id, { epoch, pid: info.pid, sessions, before })
    if (before === null || before.sessions === 0 || at - before.at > TOLD_MS) return { epoch, problems: [] }
    const what = `HAProxy was reloaded or started again ${durationWords(at - before.at)} ago`
    const left = `${plural(before.sessions, 'session')} that the process before it held may still be open there, where nobody counts them`
    return { epoch, problems: [`${what}; ${left}`] }
  }

  forget(id: string): void {
    this.#runs.forget(id)
    this.#known.delete(id)
  }

  #epochOf(id: string, at: number, info: ProcessInfo, { counters }: NodeFacts): string {
    const { pid, startedAt, uptimeMs } = info
    if (pid !== null && startedAt !== null) return `${pid}-${startedAt}`
    // A process number of its own is another process, also where it ran longer than its predecessor at our last look.
    if (pid !== this.#known.get(id)?.pid) this.#runs.forget(id)
    const seen = this.#runs.epochOf(id, { at, epoch: null, uptimeMs, counters })
    return pid === null ? seen : `${pid}-${seen}`
  }
}
