import type { FleetEvent } from '@/server/contract/events.ts'

/** What a list of events was asked for. `types` are exact, or prefixes that end in `*`. */
export interface EventFilter {
  types?: readonly string[]
  region?: string | null
  node?: string | null
  text?: string | null
}

export const typeMatches = (type: string, patterns: readonly string[]): boolean =>
  patterns.length === 0 ||
  patterns.some((pattern) =>
    pattern.endsWith('*') ? type.startsWith(pattern.slice(0, -1)) : type === pattern,
  )

/** The same rule as the server's, so that a live event lands in just the lists that a refetch would show it in. */
export const eventMatches = (event: FleetEvent, filter: EventFilter): boolean => {
  if (filter.types && !typeMatches(event.type, filter.types)) return false
  if (filter.region && event.region !== filter.region) return false
  if (filter.node && event.node !== filter.node) return false
  if (filter.text) {
    const text = filter.text.toLowerCase()
    return `${event.type} ${event.node ?? ''} ${JSON.stringify(event.data)}`.toLowerCase().includes(text)
  }
  return true
}
