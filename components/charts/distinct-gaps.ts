import type { SeriesGap } from '@/server/contract/answers/series.ts'

/** Several scopes report the same gap, and a gap that has not ended is reported again with a later end: one each, the longest. */
export const distinctGaps = (gaps: readonly SeriesGap[]): SeriesGap[] => {
  const longest = new Map<string, SeriesGap>()
  for (const gap of gaps) {
    const key = `${gap.node ?? ''} ${gap.from}`
    const known = longest.get(key)
    if (!known || known.to < gap.to) longest.set(key, gap)
  }
  return [...longest.values()]
}
