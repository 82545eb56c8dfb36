/** What span of time the charts show. `live` follows now; the others are still, or an absolute span from a drag. */
export const RANGES = ['live', '15m', '1h', '6h', '24h'] as const
export type RangeName = (typeof RANGES)[number]

const MINUTE = 60_000
export const RANGE_MS: Record<RangeName, number> = {
  live: 10 * MINUTE,
  '15m': 15 * MINUTE,
  '1h': 60 * MINUTE,
  '6h': 360 * MINUTE,
  '24h': 1440 * MINUTE,
}
export const RANGE_LABEL: Record<RangeName, string> = {
  live: 'Live',
  '15m': '15 min',
  '1h': '1 h',
  '6h': '6 h',
  '24h': '24 h',
}

/** Wanted points a series: few while live, because they are drawn every second or two. */
export const LIVE_POINTS = 150
export const STILL_POINTS = 300

export interface Range {
  name: RangeName
  /** Epoch ms; set where the span is absolute. */
  from: number | null
  to: number | null
}

export const isLive = (range: Range): boolean => range.name === 'live' && range.from === null

/** The span in epoch ms at `now`. */
export const spanOf = (range: Range, now: number): { from: number; to: number } => {
  if (range.from !== null && range.to !== null) return { from: range.from, to: range.to }
  if (range.from !== null) return { from: range.from, to: now }
  return { from: now - RANGE_MS[range.name], to: now }
}
