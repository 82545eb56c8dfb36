import { Counter, Gauge, Registry } from 'prom-client'

export interface MetricValue {
  labels?: Record<string, string>
  value: number
}

/**
 * One series family, described where it is measured. Names follow Prometheus: prefix `tidegate_`, base units, `_total` for
 * counters; labels from short closed lists, never an address, token, id, path or text.
 */
export interface MetricDefinition<Source> {
  name: `tidegate_${string}`
  kind: 'counter' | 'gauge'
  help: string
  labels?: readonly string[]
  /** The values now; an empty list leaves the family out (an absent part is absent, not zero). */
  read(source: Source): readonly MetricValue[]
}

/** Values of a `Record` of counts as one label. Keys that are not short plain words, and those beyond 64, become `other`. */
export const countsByLabel = (label: string, counts: Record<string, number>): MetricValue[] => {
  const values = new Map<string, number>()
  for (const [key, count] of Object.entries(counts)) {
    const plain = /^[A-Za-z0-9_]{1,48}$/.test(key) && values.size < 64
    const name = plain ? key : 'other'
    values.set(name, (values.get(name) ?? 0) + count)
  }
  return [...values].map(([name, value]) => ({ labels: { [label]: name }, value }))
}

export interface MetricsPage {
  readonly contentType: string
  /** The text of one scrape. */
  render(): Promise<string>
}

/** Serves `definitions` in the Prometheus text format; `source` is asked once a scrape. */
export const createMetricsPage = <Source>(
  definitions: readonly MetricDefinition<Source>[],
  source: () => Source,
): MetricsPage => {
  const render = async (): Promise<string> => {
    const now = source()
    // A registry a scrape: the numbers are kept elsewhere, and a counter here must equal its source, not add to it.
    const registry = new Registry()
    for (const { name, kind, help, labels, read } of definitions) {
      const values = read(now)
      if (values.length === 0) continue
      const shape = { name, help, labelNames: [...(labels ?? [])], registers: [registry] }
      if (kind === 'counter') {
        const counter = new Counter(shape)
        for (const { labels: set, value } of values) counter.inc(set ?? {}, value)
      } else {
        const gauge = new Gauge(shape)
        for (const { labels: set, value } of values) gauge.set(set ?? {}, value)
      }
    }
    return await registry.metrics()
  }
  return { contentType: new Registry().contentType, render }
}
