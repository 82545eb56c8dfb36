import { type QueryClient, useQueries, useQueryClient } from '@tanstack/react-query'
import { useMemo } from 'react'
import type { SeriesAnswer } from '@/server/contract/answers/series.ts'
import type { MetricName } from '@/server/contract/series.ts'
import { serverNow } from './clock.ts'
import { get, query } from './http.ts'
import { mergeSeries, nextPointAt, openFrom, type SeriesData, sameSeries } from './merge-series.ts'
import { keepUnused } from './query-client.ts'
import { isLive, LIVE_POINTS, type Range, STILL_POINTS, spanOf } from './range.ts'

/** Live charts fetch when a step has ended, at most this often; a step that came late is asked for again after as long. */
const LIVE_MS = 1000
const STILL_MS = 15_000
/** A few more than asked for may be kept at the edges of the window. */
const MAX_LIVE_POINTS = LIVE_POINTS + 10

const fetchSpan = async (
  scope: string,
  metrics: readonly MetricName[],
  from: number,
  to: number,
  points: number,
  signal: AbortSignal,
) =>
  get<SeriesAnswer>(
    `/series${query({ scope, metric: metrics, from: Math.floor(from), to: Math.ceil(to), points })}`,
    signal,
  )

/** The whole span, or, while live, only what may have changed since the last answer. */
const readSeries = async (
  client: QueryClient,
  key: readonly unknown[],
  scope: string,
  metrics: readonly MetricName[],
  range: Range,
  signal: AbortSignal,
): Promise<SeriesData> => {
  const now = serverNow()
  const { from, to } = spanOf(range, now)
  const kept = client.getQueryData<SeriesData>(key)
  if (isLive(range) && kept && now - kept.to < (to - from) / 2) {
    const since = openFrom(kept)
    // Whole steps, so that the server cuts time as it did before.
    const end = (Math.floor(to / kept.step) + 1) * kept.step
    const fresh = await fetchSpan(
      scope,
      metrics,
      since,
      end,
      Math.max(1, Math.round((end - since) / kept.step)),
      signal,
    )
    const merged = mergeSeries(kept, fresh, since, from, to)
    if (merged?.series.every((series) => series.points.length <= MAX_LIVE_POINTS)) return merged
  }
  const answer = await fetchSpan(scope, metrics, from, to, isLive(range) ? LIVE_POINTS : STILL_POINTS, signal)
  const whole = { ...answer, from, to }
  // Nothing new: the same object, so that nothing is drawn again.
  return kept && sameSeries(kept, whole) ? kept : whole
}

/** A server that does not answer is not asked more often for it. */
const FAILED_MS = 5000

const untilNextPoint = (data: SeriesData | undefined, failed: boolean): number => {
  if (failed) return FAILED_MS
  return data === undefined ? LIVE_MS : Math.max(LIVE_MS, nextPointAt(data) - serverNow())
}

/**
 * One query a scope for all its metrics. While live and on screen it fetches what is new when a step has ended:
 * sooner there is nothing to draw.
 */
export const useSeries = (
  scopes: readonly string[],
  metrics: readonly MetricName[],
  range: Range,
  onScreen: boolean,
) => {
  const client = useQueryClient()
  const moving = isLive(range)
  const still = !moving && range.to !== null && range.to < Date.now() - 60_000
  const metricList = metrics.join(',')
  const keys = useMemo(
    () => scopes.map((scope) => ['series', scope, metricList, range.name, range.from, range.to] as const),
    [scopes, metricList, range],
  )

  const results = useQueries({
    queries: keys.map((key) => ({
      queryKey: key,
      queryFn: ({ signal }: { signal: AbortSignal }) =>
        readSeries(client, key, key[1], metrics, range, signal),
      staleTime: moving ? 0 : STILL_MS,
      gcTime: keepUnused(60_000),
      enabled: onScreen,
      refetchInterval: still
        ? (false as const)
        : moving
          ? ({ state }: { state: { data: SeriesData | undefined; status: string } }) =>
              untilNextPoint(state.data, state.status === 'error')
          : STILL_MS,
      structuralSharing: false as const,
    })),
  })

  return results
}
