import type { DrainMove } from '../../contract/drains.ts'
import { countWords, plural } from '../../contract/words.ts'
import type { DrainFleet } from './drain-fleet.ts'
import { gapStatistics } from './gaps.ts'
import { leavesNobody, successorsOf } from './take-over.ts'

/** A reason why a drain should not go on by itself. `code` names it, so that an operator can accept it once. */
export interface Worry {
  code: string
  sentence: string
}

/** Gaps above this pause a drain: the promise to the hosts is broken (signal `tunnel.gap`). */
const GAP_PROMISE_MS = 10_000

/** What is wrong with those who should take over: nobody is up, or a region is down or not known. */
export const receiverWorries = (
  fleet: DrainFleet,
  leaving: readonly string[],
  region: string | null,
): Worry[] => {
  const successors = successorsOf(fleet, leaving)
  const able = successors.filter(
    ({ intent, state }) => intent !== 'drain' && (state === 'up' || state === 'degraded'),
  )
  const isReceiving = (id: string): boolean => successors.some((node) => node.region === id)
  return [
    ...(leavesNobody(fleet, leaving, able)
      ? [{ code: 'no_receiver', sentence: 'no receiving node is up' }]
      : []),
    ...fleet
      .regions()
      .filter(
        ({ id, state }) => id !== region && (state === 'down' || state === 'unknown') && isReceiving(id),
      )
      .map(({ id, state }) => ({ code: `region:${id}`, sentence: `receiving region ${id} is ${state}` })),
  ]
}

/** What the drain itself does to the receivers and the hosts: too many tunnels in one region, or gaps beyond the promise. */
export const moveWorries = (
  fleet: DrainFleet,
  region: string | null,
  moves: readonly DrainMove[],
): Worry[] => {
  const worries: Worry[] = []
  for (const { id, capacity, tunnels } of fleet.regions()) {
    const limit = capacity?.tunnels
    if (id !== region && limit !== undefined && (tunnels ?? 0) > limit) {
      worries.push({
        code: `capacity:${id}`,
        sentence: `${id} holds ${plural(tunnels ?? 0, 'tunnel')}, above its capacity of ${countWords(limit)}`,
      })
    }
  }
  const { p99Ms } = gapStatistics(moves)
  if (p99Ms !== null && p99Ms > GAP_PROMISE_MS)
    worries.push({ code: 'gaps', sentence: `gaps reached ${Math.round(p99Ms / 1_000)} s (p99)` })
  return worries
}
