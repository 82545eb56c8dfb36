import type { NodeTable } from '../../../contract/answers/node-table.ts'
import { isCount } from '../facts.ts'
import { cleanText } from '../untrusted-json.ts'

/** A server behind Caddy, as `/reverse_proxy/upstreams` lists it (https://caddyserver.com/docs/api). */
export interface Upstream {
  readonly address: string
  /** Requests that it holds now; null where that is not said. */
  readonly requests: number | null
  /** Failed requests that are remembered by passive health checks; null where that is not said. */
  readonly fails: number | null
  /** Null where nobody says. */
  readonly healthy: boolean | null
}

const MAX_ROWS = 500

/** Reads the list; null where it is none. Entries that are no upstreams are left out and counted. */
export const readUpstreams = (value: unknown): { upstreams: Upstream[]; unread: number } | null => {
  // Caddy answers null where there is no reverse proxy at all.
  if (value === null) return { upstreams: [], unread: 0 }
  if (!Array.isArray(value)) return null
  const upstreams: Upstream[] = []
  for (const entry of value as unknown[]) {
    if (typeof entry !== 'object' || entry === null) continue
    const { address, num_requests, fails, healthy } = entry as Record<string, unknown>
    if (typeof address !== 'string' || address === '') continue
    upstreams.push({
      address: cleanText(address),
      requests: countOf(num_requests),
      fails: countOf(fails),
      healthy: typeof healthy === 'boolean' ? healthy : null,
    })
  }
  return { upstreams, unread: value.length - upstreams.length }
}

/** Undefined where one of them does not say it: a sum of some would be wrong. */
export const requestsOf = (upstreams: readonly Upstream[]): number | undefined => {
  let sum = 0
  for (const { requests } of upstreams) {
    if (requests === null) return undefined
    sum += requests
  }
  return sum
}

export const upstreamTable = (upstreams: readonly Upstream[]): NodeTable => ({
  id: 'upstreams',
  title: 'Upstreams',
  columns: [
    { key: 'address', label: 'Address', cell: 'name' },
    { key: 'state', label: 'State', cell: 'state' },
    { key: 'requests', label: 'In flight', cell: 'count' },
    { key: 'fails', label: 'Failures', cell: 'count' },
  ],
  rows: upstreams.slice(0, MAX_ROWS).map((upstream) => ({
    address: upstream.address,
    state: stateOf(upstream),
    requests: upstream.requests,
    fails: upstream.fails,
  })),
  total: upstreams.length,
})

const stateOf = ({ healthy, fails }: Upstream) => {
  if (healthy === false) return { tone: 'down' as const, word: 'unhealthy' }
  if (fails !== null && fails > 0) return { tone: 'degraded' as const, word: 'failing' }
  return healthy === true ? { tone: 'up' as const, word: 'healthy' } : null
}

const countOf = (value: unknown): number | null => (isCount(value) ? value : null)
