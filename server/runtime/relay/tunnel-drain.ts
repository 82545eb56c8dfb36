import { setTimeout as delay } from 'node:timers/promises'
import { CLOSE } from '../../contract/close-codes.ts'
import type { Log } from '../../observe/log.ts'
import { within } from '../../time/deadline.ts'
import type { DirectoryLink } from './directory-link.ts'
import type { RelayTimings } from './relay-timings.ts'
import type { Tunnel } from './tunnel.ts'
import type { TunnelRegistry } from './tunnel-registry.ts'

/** Tunnels in one slice where no pace is given. */
const SLICE_TUNNELS = 50
/** Between two slices without a pace: enough for the thread to do other work. */
const SLICE_STAGGER_MS = 10
/** With a pace, slices start about ten times a second. */
const PACED_SLICES_PER_SECOND = 10
/** How often a slice looks whether its hosts have registered elsewhere, and whether their streams have ended. */
const LOOK_EVERY_MS = 25
/** What the directory gets to remove entries when the budget is over already. */
const LAST_CALL_MS = 1_000

export interface DrainTunnelsOptions {
  /** How many tunnels are told to leave each second; without it all slices overlap. */
  tunnelsPerSecond?: number | undefined
  /** Ends the work early; tunnels that were not closed yet stay. */
  signal: AbortSignal
}

/** Sleeps, but not beyond `signal`. */
const pause = async (ms: number, signal: AbortSignal): Promise<void> => {
  await delay(Math.max(0, ms), undefined, { signal }).catch(() => undefined)
}

/** Polls until `done` says so, `untilMs()` has come, or `signal` ends the wait. */
const waitFor = async (done: () => boolean, untilMs: () => number, signal: AbortSignal): Promise<void> => {
  while (!signal.aborted && !done() && performance.now() < untilMs()) await pause(LOOK_EVERY_MS, signal)
}

/** Registered elsewhere, or gone: there is nothing to wait for any more. */
const settled = (tunnel: Tunnel): boolean =>
  tunnel.lost || tunnel.movedTo !== null || tunnel.saysMovedTo !== null

/**
 * How the tunnels of a relay leave in a drain: make before break. Hosts are told slice by slice, at the pace, and move while they
 * are served here. Tunnels that register meanwhile are not its business: the caller has cordoned the relay.
 */
export class TunnelDrain {
  readonly #registry: TunnelRegistry
  readonly #directory: DirectoryLink
  readonly #timings: RelayTimings
  readonly #log: Log

  constructor(registry: TunnelRegistry, directory: DirectoryLink, timings: RelayTimings, log: Log) {
    this.#registry = registry
    this.#directory = directory
    this.#timings = timings
    this.#log = log
  }

  /**
   * Phase 2: `{"type":"drain"}` to every host. Resolves when each has moved, is gone, or had its time to move; it stays where it is
   * served in that case.
   */
  async move({ tunnelsPerSecond, signal }: DrainTunnelsOptions): Promise<void> {
    // A host that an earlier, interrupted turn has already told needs no place in the pace.
    const untold = this.#registry.all().filter((tunnel) => tunnel.toldAtMs === null)
    await this.#inSlices(untold, tunnelsPerSecond, signal, async (slice) => {
      for (const tunnel of slice) tunnel.sendDrain()
    })
    const told = this.#registry.all()
    const lastMs = Math.max(0, ...told.map((tunnel) => tunnel.toldAtMs ?? 0))
    await waitFor(() => this.#registry.all().every(settled), this.#patience(lastMs), signal)
  }

  /** Until when to wait for hosts that were told: as long as some still move, a herd is only slow, not stuck. */
  #patience(toldMs: number): () => number {
    return () => Math.max(toldMs, this.#registry.lastMovedMs) + this.#timings.moveWaitMs
  }

  /**
   * Phase 3, for what has not moved: told, given at least 500 ms, taken from the directory with its slice in one awaited call, and
   * closed 4001 once its streams have ended, which are given a moment. Resolves when no tunnel is left, or at `signal`.
   */
  async finish({ tunnelsPerSecond, signal }: DrainTunnelsOptions): Promise<{ moved: number; left: number }> {
    let moved = 0
    // Those that are kept end by themselves; one may come back, because the relay to which it had moved lost it.
    while (!signal.aborted && this.#registry.size + this.#registry.keptCount > 0) {
      const here = this.#registry.all()
      if (here.length === 0) await pause(LOOK_EVERY_MS, signal)
      await this.#inSlices(here, tunnelsPerSecond, signal, async (slice) => {
        if (await this.#endSlice(slice, signal)) moved += slice.length
      })
    }
    return { moved, left: this.#registry.size }
  }

  /** The end of the budget: what is left is taken from the directory in one call, which gets a moment, and closed. */
  async end(): Promise<void> {
    const removed = this.#takeFromDirectory(this.#registry.all())
    await within(LAST_CALL_MS, removed, { late: () => undefined })
    await this.#registry.closeAll(CLOSE.drain, 'This relay is draining', this.#timings.closeGraceMs)
  }

  async #takeFromDirectory(tunnels: readonly Tunnel[]): Promise<void> {
    for (const tunnel of tunnels) tunnel.entryRemoved = true
    const holdings = tunnels.map(({ hostId, fence }) => ({ hostId, fence }))
    if (holdings.length === 0) return
    try {
      await this.#directory.removeMany(holdings)
    } catch (error) {
      // The entries expire by themselves, and a host that registers elsewhere takes them over: the tunnels end anyway.
      this.#log.warn(
        { err: error, tunnels: tunnels.length },
        "a slice's directory entries could not be removed",
      )
    }
  }

  /** True where the slice is over; false where `signal` came first. */
  async #endSlice(slice: readonly Tunnel[], signal: AbortSignal): Promise<boolean> {
    const { drainNoticeMs, lastStreamsMs } = this.#timings
    for (const tunnel of slice) tunnel.sendDrain()
    const toldMs = Math.max(0, ...slice.map((tunnel) => tunnel.toldAtMs ?? 0))
    await pause(toldMs + drainNoticeMs - performance.now(), signal)
    await waitFor(() => slice.every(settled), this.#patience(toldMs), signal)
    if (signal.aborted) return false

    const left = slice.filter((tunnel) => !tunnel.lost && tunnel.movedTo === null)
    await this.#takeFromDirectory(left)
    const lastMs = performance.now() + lastStreamsMs
    await waitFor(
      () => left.every(({ lost, streams }) => lost || streams.size === 0),
      () => lastMs,
      signal,
    )
    if (signal.aborted) return false
    for (const tunnel of left)
      if (tunnel.movedTo === null) tunnel.retire(CLOSE.drain, 'This relay is draining')
    return true
  }

  /** Starts `act` on slice after slice, at the pace, and waits for all of them. */
  async #inSlices(
    tunnels: readonly Tunnel[],
    tunnelsPerSecond: number | undefined,
    signal: AbortSignal,
    act: (slice: readonly Tunnel[]) => Promise<void>,
  ): Promise<void> {
    const size = tunnelsPerSecond
      ? Math.max(1, Math.round(tunnelsPerSecond / PACED_SLICES_PER_SECOND))
      : SLICE_TUNNELS
    const staggerMs = tunnelsPerSecond ? (size / tunnelsPerSecond) * 1000 : SLICE_STAGGER_MS
    const startedMs = performance.now()
    const slices: Promise<void>[] = []
    for (let start = 0; start < tunnels.length && !signal.aborted; start += size) {
      // Measured from the start of all slices, so that late timers do not add up to a slower pace.
      if (start > 0) await pause(startedMs + (start / size) * staggerMs - performance.now(), signal)
      if (signal.aborted) break
      slices.push(act(tunnels.slice(start, start + size).filter((tunnel) => !tunnel.lost)))
    }
    await Promise.all(slices)
  }
}
