import { type MetricName, SERIES_METRICS } from '../../contract/series.ts'
import { type CountByPart, type CounterName, type Facts, withNewer } from '../adapters/facts.ts'

/** Values of one poll by the names of `/series`; what the node does not say is absent here, not zero. */
export type SampleValues = Partial<Record<MetricName, number>>

/** What increases are counted from. */
export type CountedBase = Pick<Facts, 'epoch' | 'counters'>

export interface SampleContext {
  latencyMs: number
  /** Largest gap reported by a `tunnel.registered` since the poll before; null where none was. */
  gapMs: number | null
  /** With nothing read before: true when the node's process is younger than our last look, so that its counters began at zero since. */
  freshProcess: boolean
}

/**
 * Gauges as measured, counters as increases since the poll before. A new epoch counts from zero, so that no rate is ever
 * negative; a first look at an older process has no increase, because it is not known when the counts happened.
 */
export const sampleOf = (
  previous: CountedBase | null,
  current: Pick<Facts, 'epoch' | 'gauges' | 'counters'>,
  context: SampleContext,
): SampleValues => {
  const before = previous !== null && previous.epoch === current.epoch ? previous : null
  const countable = previous !== null || context.freshProcess
  const values: SampleValues = { latency_ms: context.latencyMs }
  if (context.gapMs !== null) values.gap_ms = context.gapMs
  for (const [name, value] of Object.entries(current.gauges)) if (isShown(name)) values[name] = value
  for (const [name, parts] of Object.entries(current.counters)) {
    if (!isShown(name) || !countable) continue
    const risen = before === null ? sumOf(parts) : increase(parts, before.counters[name as CounterName])
    if (risen !== null) values[name] = risen
  }
  return values
}

/** Some is read for drains and signals alone. */
const isShown = (name: string): name is MetricName => name in SERIES_METRICS

/**
 * By how much it rose, over the parts of which both ends are known. Null where there is none: a part that was missing or malformed
 * till now counted at a time that is not known.
 */
const increase = (now: CountByPart, then: CountByPart | undefined): number | null => {
  if (then === undefined) return null
  let isKnown = false
  let rose = 0
  for (const part in now) {
    const last = then[part]
    if (typeof last !== 'number') continue
    isKnown = true
    rose += (now[part] ?? 0) - last
  }
  return isKnown ? Math.max(0, rose) : null
}

const sumOf = (parts: CountByPart): number => Object.values(parts).reduce((sum, count) => sum + count, 0)

/**
 * What the next sample counts from: the newest counts, with parts that they lack as they were last read in the same run, so that a
 * part that is missing once does not come back as everything it ever counted.
 */
export const countedBase = (base: CountedBase | null, current: CountedBase): CountedBase => {
  const { epoch, counters } = current
  if (base === null || base.epoch !== epoch) return { epoch, counters }
  return { epoch, counters: withNewer(base.counters, counters) }
}
