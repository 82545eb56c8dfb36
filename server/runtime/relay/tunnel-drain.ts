import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from '../../observe/log.ts'
import type { Directory } from './directory.ts'
import type { RelayTimings } from './relay-timings.ts'
import type { Tunnel } from './tunnel.ts'
import type { TunnelRegistry } from './tunnel-registry.ts'

/** Tunnels in one slice where no pace is given. */
const SLICE_TUNNELS = 50
/** Between two slices without a pace: enough for the thread to do other work. */
const SLICE_STAGGER_MS = 10
/** With a pace, slices start about ten times a second. */
const PACED_SLICES_PER_SECOND = 10
/** How often a slice looks whether its hosts have registered elsewhere. */
const MOVED_CHECK_MS = 25

export interface DrainTunnelsOptions {
  /** Tunnels told to leave a second; without it all slices overlap. */
  tunnelsPerSecond?: number
  /** Ends the drain early; tunnels that were not closed yet stay. */
  signal: AbortSignal
}

/** Sleeps, but not beyond `signal`. */
const pause = async (ms: number, signal: AbortSignal): Promise<void> => {
  await delay(ms, undefined, { signal }).catch(() => undefined)
}

/**
 * Moves every tunnel away, slice by slice: `{"type":"drain"}`, at least 500 ms, the slice's directory entries in one awaited call,
 * then 4001. Tunnels that register meanwhile are not its business: the caller has cordoned the relay.
 */
export const drainTunnels = async (
  registry: TunnelRegistry,
  directory: Directory,
  timings: RelayTimings,
  log: Log,
  { tunnelsPerSecond, signal }: DrainTunnelsOptions,
): Promise<{ moved: number; left: number }> => {
  let moved = 0
  const noticeMaxMs = tunnelsPerSecond ? timings.pacedNoticeMaxMs : timings.drainNoticeMaxMs
  const moveSlice = async (slice: readonly Tunnel[]): Promise<void> => {
    for (const tunnel of slice) tunnel.sendDrain()
    const told = performance.now()
    await pause(timings.drainNoticeMs, signal)
    // A little longer where hosts are still dialling: one that stands elsewhere before this tunnel falls has no gap.
    const settled = (): boolean => slice.every((tunnel) => tunnel.lost || tunnel.superseded)
    while (!signal.aborted && !settled() && performance.now() - told < noticeMaxMs) {
      await pause(MOVED_CHECK_MS, signal)
    }
    if (signal.aborted) return
    const left = slice.filter((tunnel) => !tunnel.lost)
    for (const tunnel of left) tunnel.entryRemoved = true
    try {
      await registry.ask(() => directory.removeMany(left.map(({ hostId, fence }) => ({ hostId, fence }))))
    } catch (error) {
      // The entries expire by themselves, and a host that registers elsewhere takes them over: the tunnels move all the same.
      log.warn({ err: error, tunnels: left.length }, "a slice's directory entries could not be removed")
    }
    moved += slice.length
    for (const tunnel of left) tunnel.retire(4001, 'This relay is draining')
  }

  const tunnels = registry.all()
  const size = tunnelsPerSecond
    ? Math.max(1, Math.round(tunnelsPerSecond / PACED_SLICES_PER_SECOND))
    : SLICE_TUNNELS
  const staggerMs = tunnelsPerSecond ? (size / tunnelsPerSecond) * 1000 : SLICE_STAGGER_MS
  const startedMs = performance.now()
  const slices: Promise<void>[] = []
  for (let start = 0; start < tunnels.length && !signal.aborted; start += size) {
    if (start > 0) {
      // Against the clock of the whole, so that late timers do not add up to a slower pace.
      const dueMs = startedMs + (start / size) * staggerMs
      await pause(Math.max(0, dueMs - performance.now()), signal)
      if (signal.aborted) break
    }
    const slice = tunnels.slice(start, start + size).filter((tunnel) => !tunnel.lost)
    slices.push(moveSlice(slice))
  }
  await Promise.all(slices)
  return { moved, left: registry.size }
}
