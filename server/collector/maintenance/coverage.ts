import { coversRegion, isWholeFleet } from '../../contract/index.ts'
import type { StoredMaintenance } from '../../store/store.ts'

/** Whom something is about: a signal, an incident, a node. */
export interface Whom {
  readonly regions: readonly string[]
  readonly nodes: readonly string[]
}

/** The half-open span [from, to), so that of two windows that meet one covers each instant. `at` in epoch ms. */
export const isActive = ({ from, to }: Pick<StoredMaintenance, 'from' | 'to'>, at: number): boolean =>
  Date.parse(from) <= at && at < Date.parse(to)

/** A node that is no longer configured has no region; a window of the whole fleet still covers it. */
const coversNode = (window: StoredMaintenance, node: string, region: string | null): boolean =>
  window.nodes.includes(node) || (region === null ? isWholeFleet(window) : coversRegion(window, region))

/**
 * The window that explains what happens to `whom` at a moment, or null: every node, and every region of which no node is named, must be
 * in an active window, one or several. Of several, the one that ends first is answered, and of those that cover the same part the one
 * that ends last: until then nothing is left uncovered. What is about no node and no region is explained by none.
 */
export const coveringOf = (
  windows: Iterable<StoredMaintenance>,
  { regions, nodes }: Whom,
  at: number,
  regionOf: (node: string) => string | null,
): StoredMaintenance | null => {
  const active = [...windows].filter((window) => isActive(window, at))
  if (active.length === 0) return null
  const named = new Set(nodes.map(regionOf))
  const parts = [
    ...nodes.map((node) => (window: StoredMaintenance) => coversNode(window, node, regionOf(node))),
    ...regions
      .filter((region) => !named.has(region))
      .map((region) => (window: StoredMaintenance) => coversRegion(window, region)),
  ]
  const longest = parts.map((covers) => active.filter(covers).reduce<StoredMaintenance | null>(later, null))
  const found = longest.filter((window) => window !== null)
  return found.length === 0 || found.length < longest.length ? null : found.reduce(earlier)
}

const later = (a: StoredMaintenance | null, b: StoredMaintenance): StoredMaintenance =>
  a !== null && Date.parse(a.to) >= Date.parse(b.to) ? a : b

const earlier = (a: StoredMaintenance, b: StoredMaintenance): StoredMaintenance =>
  Date.parse(a.to) <= Date.parse(b.to) ? a : b
