import { type Incident, SEVERITIES } from '../../contract/index.ts'

/** For so long an incident that ended is remembered, ms: a night. */
const REMEMBERED_MS = 8 * 3_600_000
/** Incidents that are remembered; of more the oldest are forgotten, and what comes again of them is told as if it were new. */
const MAX_REMEMBERED = 2_000
/** So many incidents of the same signals are told as they come. */
const TOLD_AS_THEY_COME = 2
/** What comes once more has to last so long until it is told, ms: short where it is critical, since that costs by the minute. */
const LASTING_MS = 15 * 60_000
const CRITICAL_LASTING_MS = 2 * 60_000

interface Ended {
  at: number
  severity: number
  signals: ReadonlySet<string>
  channels: ReadonlySet<string>
}

const keysOf = ({ signals }: Incident): Set<string> =>
  new Set(signals.map(({ kind, scope }) => `${kind}|${scope}`))

/**
 * What came, was told, and went again: a node that is away for a minute every twenty minutes is a new incident each time, because it was
 * quiet for too long to be the same one. In memory alone: after a restart two more are told.
 */
export class Recurrences {
  readonly #ended = new Map<string, Ended>()

  /** An incident is over, of which these channels were told. `now` in epoch ms. */
  ended(incident: Incident, channels: readonly string[], now: number): void {
    if (channels.length === 0) return
    this.#ended.delete(incident.id)
    this.#ended.set(incident.id, {
      at: now,
      severity: SEVERITIES.indexOf(incident.severity),
      signals: keysOf(incident),
      channels: new Set(channels),
    })
    for (const [id, { at }] of this.#ended) {
      if (this.#ended.size <= MAX_REMEMBERED && Math.abs(now - at) < REMEMBERED_MS) break
      this.#ended.delete(id)
    }
  }

  /**
   * How long an incident has to last until a channel is told of it, ms; 0 where nothing like it, and as bad, was told and over before.
   *
   * @param incident with those of its signals that came now
   */
  waitMs(incident: Incident, channel: string, now: number): number {
    if (this.#ended.size < TOLD_AS_THEY_COME) return 0
    const keys = keysOf(incident)
    const severity = SEVERITIES.indexOf(incident.severity)
    let count = 0
    for (const ended of this.#ended.values())
      if (
        ended.severity >= severity &&
        ended.channels.has(channel) &&
        Math.abs(now - ended.at) < REMEMBERED_MS &&
        !keys.isDisjointFrom(ended.signals)
      )
        count += 1
    if (count < TOLD_AS_THEY_COME) return 0
    return incident.severity === 'critical' ? CRITICAL_LASTING_MS : LASTING_MS
  }
}
