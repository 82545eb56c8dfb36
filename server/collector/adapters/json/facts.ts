import {
  JSON_FACT_NAMES,
  JSON_METRIC_NAMES,
  type JsonMap,
  type JsonMapName,
} from '../../../contract/json-map.ts'
import { SERIES_METRICS } from '../../../contract/series.ts'
import { type CountByPart, type CounterName, type GaugeName, isCount } from '../facts.ts'
import { valueAt } from './pointer.ts'

/** What an answer says by its map. What it does not say, or not as it should, is absent, with a sentence in `missing`. */
export interface JsonFacts {
  ok?: boolean
  region?: string
  version?: string
  epoch?: string
  uptimeMs?: number
  gauges: Partial<Record<GaugeName, number>>
  counters: Partial<Record<CounterName, CountByPart>>
  missing: string[]
}

export type Sort = 'number' | 'boolean' | 'text'

/** Reads an answer by its map. Never throws, whatever was answered. */
export const readFacts = (document: unknown, map: JsonMap): JsonFacts => {
  const facts: JsonFacts = { gauges: {}, counters: {}, missing: [] }
  for (const { name, pointer, sort, as } of wantedBy(map)) {
    const value = valueAt(document, pointer)
    const fault = faultOf(value, sort)
    if (fault !== null)
      facts.missing.push(`the answer has ${fault} at ${pointer} (mapped to ${name}${standing(value)})`)
    else if (as === 'gauge') facts.gauges[name as GaugeName] = value as number
    else if (as === 'counter') facts.counters[name as CounterName] = { answer: value as number }
    else if (name === 'ok') facts.ok = value as boolean
    else if (name === 'uptime_seconds') facts.uptimeMs = (value as number) * 1_000
    else facts[name as 'region' | 'version' | 'epoch'] = String(value)
  }
  return facts
}

/** One name of a map. */
interface Wanted {
  readonly name: JsonMapName
  readonly pointer: string
  readonly sort: Sort
  readonly as: 'fact' | 'gauge' | 'counter'
}

/** A map is never changed, and asked with every poll. */
const wanted = new WeakMap<JsonMap, readonly Wanted[]>()

/** What a map wants: facts first, and then numbers. */
const wantedBy = (map: JsonMap): readonly Wanted[] => {
  const known = wanted.get(map)
  if (known !== undefined) return known
  const facts = JSON_FACT_NAMES.map((name) => ({ name, sort: SORTS[name], as: 'fact' as const }))
  const metrics = JSON_METRIC_NAMES.map((name) => ({
    name,
    sort: 'number' as const,
    as: SERIES_METRICS[name].kind,
  }))
  const list = [...facts, ...metrics].flatMap((each) => {
    const pointer = map[each.name]
    return pointer === undefined ? [] : [{ ...each, pointer }]
  })
  wanted.set(map, list)
  return list
}

const SORTS: Record<(typeof JSON_FACT_NAMES)[number], Sort> = {
  ok: 'boolean',
  region: 'text',
  version: 'text',
  epoch: 'text',
  uptime_seconds: 'number',
}

const WANTED: Record<Sort, string> = { number: 'number', boolean: 'true or false', text: 'text' }

const MAX_SHOWN = 40

/** What is there instead of what should be, in words that follow "the answer has"; null where it is right. */
export const faultOf = (value: unknown, sort: Sort): string | null => {
  if (value === undefined || value === null) return `no ${WANTED[sort]}`
  if (sort === 'boolean')
    return typeof value === 'boolean' ? null : `${sortOf(value)} instead of true or false`
  // Versions and names of runs are numbers as often as text.
  if (sort === 'text')
    return typeof value === 'string' || Number.isFinite(value) ? null : `${sortOf(value)} instead of text`
  if (typeof value !== 'number') return `${sortOf(value)} instead of a number`
  return isCount(value) ? null : `${value}, which counts nothing,`
}

const sortOf = (value: unknown): string => {
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'string') return 'text'
  return typeof value === 'object' ? 'an object' : typeof value === 'number' ? 'a number' : `${value}`
}

/** What is there instead, where that is short: words that follow the name. */
export const standing = (value: unknown): string =>
  typeof value === 'string' && value !== ''
    ? `; it says ${JSON.stringify(value.length > MAX_SHOWN ? `${value.slice(0, MAX_SHOWN)}…` : value)}`
    : ''
