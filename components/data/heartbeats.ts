import { useQuery } from '@tanstack/react-query'
import type { HeartbeatCell, Heartbeats } from '@/server/contract/fleet.ts'
import { get, query } from './http.ts'

/** A region of five hundred nodes is asked for every 20 s. */
const PER_STRIP_MS = 40

export interface Strip {
  /** Start of the oldest cell and end of the newest, epoch ms. */
  from: number
  to: number
  cellMs: number
  cells: (HeartbeatCell | null)[]
}

/** `region:fra` or `node:fra-1` to its strip. */
const stripsOf = ({ at, cellMs, strips }: Heartbeats): ReadonlyMap<string, Strip> => {
  const to = (Math.floor(Date.parse(at) / cellMs) + 1) * cellMs
  return new Map(
    strips.map(({ scope, cells }) => [scope, { from: to - cells.length * cellMs, to, cellMs, cells }]),
  )
}

/** One request for all strips of a page: one a region, or one a node of the region that is named. */
export const useHeartbeats = (region?: string) =>
  useQuery({
    queryKey: ['heartbeats', region ?? null],
    queryFn: ({ signal }) => get<Heartbeats>(`/heartbeats${query({ region })}`, signal),
    select: stripsOf,
    refetchInterval: ({ state }) =>
      Math.max(3000, (state.data?.cellMs ?? 6000) / 2, PER_STRIP_MS * (state.data?.strips.length ?? 0)),
  })
