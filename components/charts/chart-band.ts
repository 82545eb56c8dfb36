import { coversRegion, isWholeFleet, type MaintenanceWindow } from '@/server/contract/maintenance.ts'

/** A span in which what happens was announced. */
export interface ChartBand {
  id: string
  /** Epoch ms. */
  from: number
  to: number
  title: string
}

/**
 * The bands of a chart of these scopes (`fleet`, `region:fra`, `node:fra-1`): windows that cover one of them, or a part of it.
 *
 * @param regionOf the region of a node; null where it is not known
 */
export const bandsOf = (
  windows: readonly MaintenanceWindow[],
  scopes: readonly string[],
  regionOf: (node: string) => string | null,
): ChartBand[] => {
  const concerns = (window: MaintenanceWindow, scope: string): boolean => {
    if (scope === 'fleet' || isWholeFleet(window)) return true
    const id = scope.slice(scope.indexOf(':') + 1)
    if (scope.startsWith('region:'))
      return coversRegion(window, id) || window.nodes.some((node) => regionOf(node) === id)
    return window.nodes.includes(id) || coversRegion(window, regionOf(id) ?? '')
  }
  return windows
    .filter((window) => scopes.some((scope) => concerns(window, scope)))
    .map(({ id, from, to, title }) => ({ id, from: Date.parse(from), to: Date.parse(to), title }))
    .sort((a, b) => a.from - b.from)
}

/** What was announced for a step that begins at `from` and ends at `to`, epoch ms. */
export const bandsWithin = (bands: readonly ChartBand[], from: number, to: number): readonly ChartBand[] =>
  bands.filter((band) => band.from < to && band.to > from)
