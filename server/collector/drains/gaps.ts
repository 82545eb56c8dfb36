import type { DrainMove, GapStatistics } from '../../contract/drains.ts'

/** The value below which `share` (0 to 1) of the sorted values lie, by the nearest-rank method. */
const nearestRank = (sorted: readonly number[], share: number): number | null =>
  sorted.length === 0 ? null : (sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null)

/** Statistics over the tunnels of a drain. A gap that nobody could measure is not counted, and never taken for zero. */
export const gapStatistics = (moves: readonly DrainMove[]): GapStatistics => {
  const gaps = moves
    .flatMap((move) => (move.to !== null && move.gapMs !== null ? [move.gapMs] : []))
    .sort((a, b) => a - b)
  const moved = moves.filter((move) => move.to !== null).length
  const stayed = moves.filter((move) => move.to === null && move.state === 'here').length
  return {
    count: gaps.length,
    moved,
    stayed,
    p50Ms: nearestRank(gaps, 0.5),
    p99Ms: nearestRank(gaps, 0.99),
    maxMs: gaps.at(-1) ?? null,
    missing: moves.length - moved - stayed,
  }
}
