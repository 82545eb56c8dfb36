import type { ProbeChoice } from '../../contract/answers/node-probe.ts'
import { suggestionFor } from './choices.ts'

const MAX_CHOICES = 200
const SERIES = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{.*\})?\s+([-+]?[0-9.eE+-]+)(?:\s|$)/

/** Names of the series of a page (Prometheus text format 0.0.4), with the sum of their values. */
export const seriesChoices = (text: string): ProbeChoice[] => {
  const sums = new Map<string, number>()
  for (const line of text.split('\n')) {
    if (line.startsWith('#')) continue
    const [, name, value] = SERIES.exec(line) ?? []
    if (name === undefined || (!sums.has(name) && sums.size >= MAX_CHOICES)) continue
    const number = Number(value)
    if (Number.isFinite(number)) sums.set(name, (sums.get(name) ?? 0) + number)
  }
  const taken = new Set<string>()
  return [...sums].map(([at, value]) => {
    const suggestion = suggestionFor(at.replace(/_total$/, ''), value)
    const isFirst = suggestion !== null && suggestion !== 'ok' && !taken.has(suggestion)
    if (isFirst) taken.add(suggestion)
    return { at, value, suggestion: isFirst ? suggestion : null }
  })
}
