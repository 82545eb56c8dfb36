import { cleanText } from '../untrusted-json.ts'
import type { Page } from './page-reader.ts'
import type { Narrowed, Renamed } from './presets/preset.ts'
import type { Sample } from './sample-line.ts'

/** What chooses series: a name, labels that are exactly so, and labels that look so. */
export interface Selector extends Narrowed, Renamed {
  readonly metric: string
  readonly labels?: Readonly<Record<string, string>> | undefined
}

/** The series of a page that a selector means, under the first of its names that the page has. */
export const select = (page: Page, selector: Selector): readonly Sample[] => {
  const name = nameOf(page, selector)
  const series = page.series.get(name) ?? []
  const { labels, where } = selector
  if (labels === undefined && where === undefined) return series
  const exact = Object.entries(labels ?? {})
  const alike = Object.entries(where ?? {})
  return series.filter(
    (sample) =>
      exact.every(([label, value]) => (sample.labels.get(label) ?? '') === value) &&
      alike.every(([label, pattern]) => pattern.test(sample.labels.get(label) ?? '')),
  )
}

/** The name under which the page has it; where it has none of them, the first. */
export const nameOf = (page: Page, { metric, or }: Selector): string =>
  page.series.has(metric) ? metric : (or?.find((other) => page.series.has(other)) ?? metric)

export const sumOf = (samples: readonly Sample[]): number =>
  samples.reduce((sum, { value }) => sum + value, 0)

/** A series as a page writes it, for people: `http_requests_total{code="200"}`. */
export const written = (name: string, labels: Iterable<readonly [string, string]>): string => {
  const pairs = [...labels].map(([label, value]) => `${label}="${value}"`)
  return cleanText(pairs.length === 0 ? name : `${name}{${pairs.join(',')}}`)
}

export const selectorText = ({ metric, labels }: Selector): string =>
  written(metric, Object.entries(labels ?? {}))

const MAX_NEAR = 3

/** What of the page comes near to a selector that means nothing there, in words that follow a sentence; empty where nothing does. */
export const nearTo = (page: Page, selector: Selector): string => {
  const others = page.series.get(selector.metric)
  if (others !== undefined) return listed(others.map(({ labels }) => written(selector.metric, labels)))
  const wanted = pairsOf(selector.metric)
  const near = [...page.names]
    .map((name) => ({ name, score: likeness(wanted, pairsOf(name)) }))
    .filter(({ score }) => score > 0.4)
    .sort((a, b) => b.score - a.score || (a.name < b.name ? -1 : 1))
  if (near.length > 0) return listed(near.slice(0, MAX_NEAR).map(({ name }) => cleanText(name)))
  return page.names.size === 0 ? '' : `; it has ${page.names.size} other names`
}

const listed = (texts: readonly string[]): string => {
  const shown = texts.slice(0, MAX_NEAR).map((text) => (text.length > 120 ? `${text.slice(0, 120)}…` : text))
  return `; near: ${shown.join(', ')}${texts.length > MAX_NEAR ? ', …' : ''}`
}

/** Pairs of adjacent letters (Dice's coefficient counts those that two words share). */
const pairsOf = (name: string): Set<string> => {
  const pairs = new Set<string>()
  const text = name.slice(0, 100)
  for (let at = 0; at < text.length - 1; at += 1) pairs.add(text.slice(at, at + 2))
  return pairs
}

const likeness = (a: ReadonlySet<string>, b: ReadonlySet<string>): number => {
  let shared = 0
  for (const pair of a) if (b.has(pair)) shared += 1
  return a.size + b.size === 0 ? 0 : (2 * shared) / (a.size + b.size)
}
