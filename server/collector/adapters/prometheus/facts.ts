import { JSON_METRIC_NAMES, type JsonMetricName } from '../../../contract/json-map.ts'
import { SERIES_METRICS } from '../../../contract/series.ts'
import { type CounterName, type GaugeName, isCount } from '../facts.ts'
import { cleanText } from '../untrusted-json.ts'
import { keyOf, type Page } from './page-reader.ts'
import type { Source, SourceMap } from './presets/preset.ts'
import type { Sample } from './sample-line.ts'
import { nameOf, nearTo, select, selectorText, sumOf, written } from './selection.ts'

/** Counters of one answer: by name, then by series. */
export type SeriesCounts = ReadonlyMap<CounterName, ReadonlyMap<string, number>>

/** One mapped name with what the page says for it. */
export interface MappedRow {
  readonly name: string
  readonly series: string
  readonly count: number
  readonly value: number | string
}

/** What a page says by a map. What it does not say, or not as it should, is absent, with a sentence in `missing`. */
export interface PageFacts {
  ok?: boolean
  region?: string
  version?: string
  epoch?: string
  uptimeMs?: number
  /** Epoch seconds when the process began, by its own word. */
  startedS?: number
  gauges: Partial<Record<GaugeName, number>>
  counters: SeriesCounts
  /** How much of a counter each poll adds itself. */
  owned: Partial<Record<CounterName, number>>
  missing: string[]
  rows: MappedRow[]
  /** Each matched series with its value, as it may be shown. */
  shown: Record<string, number | string>
}

/** Where most processes say when they began (client libraries of Prometheus). */
export const PROCESS_START = 'process_start_time_seconds'

const MAX_SHOWN = 200
/** Missing names for which near ones are looked for. */
const MAX_NEAR = 3

/** Reads a page by its map. Never throws, whatever was answered. */
export const readFacts = (page: Page, map: SourceMap): PageFacts => new MapReader(page, map).read()

/** The names of series that a map wants. */
export const namesOf = (map: SourceMap): string[] =>
  Object.values(map).flatMap((source) => [source.metric, ...(source.or ?? [])])

class MapReader {
  readonly #page: Page
  readonly #map: SourceMap
  readonly #counters = new Map<CounterName, ReadonlyMap<string, number>>()
  readonly #facts: PageFacts

  constructor(page: Page, map: SourceMap) {
    this.#page = page
    this.#map = map
    this.#facts = { gauges: {}, counters: this.#counters, owned: {}, missing: [], rows: [], shown: {} }
  }

  read(): PageFacts {
    const facts = this.#facts
    for (const name of ['region', 'version', 'epoch'] as const) {
      const text = this.#label(name)
      if (text !== undefined) facts[name] = text
    }
    const ok = this.#matched('ok')
    // One of several that is down is what `ok` is asked for.
    if (ok) facts.ok = ok.every(({ value }) => value >= 1)
    const uptime = this.#number('uptime_seconds')
    if (uptime !== undefined) facts.uptimeMs = uptime * 1_000
    const started = this.#number('started_seconds')
    if (started !== undefined) facts.startedS = started
    for (const name of JSON_METRIC_NAMES) this.#metric(name)
    return facts
  }

  #metric(name: JsonMetricName): void {
    const source = this.#map[name]
    if (source === undefined) return
    const { kind } = SERIES_METRICS[name]
    const said = this.#kindOf(source)
    if (source.as === undefined && said !== undefined && said !== kind) {
      this.#miss(
        `${cleanText(source.metric)} is a ${said} by its # TYPE, and ${name} is ${kind === 'counter' ? 'counted' : 'drawn as it is now'}; say as: ${kind} where it is one all the same (mapped to ${name})`,
      )
      return
    }
    const samples = this.#matched(name)
    if (samples === undefined) return
    const bad = samples.find(({ value }) => !isCount(value))
    if (bad !== undefined) {
      this.#miss(
        `${bad.value}, which counts nothing, at ${written(nameOf(this.#page, source), bad.labels)} (mapped to ${name})`,
      )
      return
    }
    const own = source.own ?? 0
    const sum = kind === 'gauge' ? Math.max(0, sumOf(samples) - own) : sumOf(samples)
    this.#facts.rows.push({ name, series: this.#text(source), count: samples.length, value: sum })
    if (kind === 'gauge') this.#facts.gauges[name as GaugeName] = sum
    else {
      if (own > 0) this.#facts.owned[name as CounterName] = own
      this.#counters.set(
        name as CounterName,
        new Map(samples.map(({ labels, value }) => [keyOf(labels), value])),
      )
    }
  }

  #number(name: 'uptime_seconds' | 'started_seconds'): number | undefined {
    const [sample, ...others] = this.#matched(name) ?? []
    if (sample === undefined || !this.#isOne(name, others)) return undefined
    if (isCount(sample.value)) return sample.value
    this.#miss(`${sample.value}, which is no time, at ${this.#text(this.#map[name])} (mapped to ${name})`)
    return undefined
  }

  #label(name: 'region' | 'version' | 'epoch'): string | undefined {
    const source = this.#map[name]
    const samples = this.#matched(name)
    if (source === undefined || samples === undefined) return undefined
    const label = source.label ?? (name === 'epoch' ? undefined : name)
    const said = new Set(
      samples.map(({ labels, value }) => (label === undefined ? String(value) : (labels.get(label) ?? ''))),
    )
    const [text = '', ...others] = said
    if (!this.#isOne(name, others)) return undefined
    if (text === '') {
      this.#miss(`no label ${label} at ${this.#text(source)} (mapped to ${name})`)
      return undefined
    }
    this.#facts.rows.push({ name, series: this.#text(source), count: samples.length, value: cleanText(text) })
    return cleanText(text)
  }

  #isOne(name: keyof SourceMap, others: readonly unknown[]): boolean {
    if (others.length === 0) return true
    this.#miss(
      `${others.length + 1} series of ${this.#text(this.#map[name])} that differ, where one is wanted; name labels (mapped to ${name})`,
    )
    return false
  }

  /** The series that a name is mapped to; undefined, with a sentence, where there is none, or too many to add up. */
  #matched(name: keyof SourceMap): readonly Sample[] | undefined {
    const source = this.#map[name]
    if (source === undefined) return undefined
    const page = this.#page
    if (page.crowded.has(nameOf(page, source))) {
      this.#miss(`too many series of ${cleanText(source.metric)} to add up (mapped to ${name})`)
      return undefined
    }
    const samples = select(page, source)
    if (samples.length > 0) {
      this.#show(source, samples)
      return samples
    }
    if (source.optional === true) return []
    if (source.silent === true) return undefined
    // Looking for what is near takes a while: who misses more than a few has another page altogether.
    const near = this.#facts.missing.length < MAX_NEAR ? nearTo(page, source) : ''
    this.#miss(`no series ${this.#text(source)} in the answer (mapped to ${name})${near}`)
    return undefined
  }

  #show(source: Source, samples: readonly Sample[]): void {
    const { shown } = this.#facts
    for (const { labels, value } of samples) {
      if (Object.keys(shown).length >= MAX_SHOWN) return
      const text = written(nameOf(this.#page, source), labels)
      if (text !== '__proto__') shown[text] = Number.isFinite(value) ? value : String(value)
    }
  }

  #kindOf(source: Source): 'counter' | 'gauge' | undefined {
    const type = this.#page.types.get(nameOf(this.#page, source))
    return type === 'counter' || type === 'gauge' ? type : undefined
  }

  #text(source: Source | undefined): string {
    return source === undefined ? '' : selectorText({ ...source, metric: nameOf(this.#page, source) })
  }

  #miss(sentence: string): void {
    this.#facts.missing.push(sentence)
  }
}
