import type { HeartbeatCell, Heartbeats, ObservedState } from '../../contract/index.ts'

/** Cells of one strip; also the ceiling of what is kept of each node. */
export const HEARTBEAT_CELLS = 60
/** Polls of one cell: the worst of them represents all, so that no bad one is averaged away. */
const POLLS_PER_CELL = 3
const MAX_NOTE = 160
/** A clock that is set back by less than this writes into the newest cell. */
const MAX_AHEAD_CELLS = 1

/** Worst first. A node that somebody took out is not worse than one of which nothing is known. */
const WORST: readonly ObservedState[] = ['down', 'unknown', 'degraded', 'draining', 'drained', 'up']
const isWorse = (a: ObservedState, b: ObservedState): boolean => WORST.indexOf(a) < WORST.indexOf(b)

/** What recent polls said of every node, in a ring of a fixed size each. */
export class HeartbeatRings {
  readonly cellMs: number
  readonly #rings = new Map<string, { index: number; cell: HeartbeatCell }[]>()

  constructor(pollIntervalMs: number) {
    this.cellMs = POLLS_PER_CELL * pollIntervalMs
  }

  /** Takes in one poll, judged. `at` is epoch ms. */
  beat(node: string, at: number, state: ObservedState, note: string | null): void {
    const index = Math.floor(at / this.cellMs)
    const ring = this.#rings.get(node) ?? []
    this.#rings.set(node, ring)
    // A clock that was ahead and is right again: cells of the future would hide all that comes until then.
    while ((ring.at(-1)?.index ?? 0) > index + MAX_AHEAD_CELLS) ring.pop()
    const last = ring.at(-1)
    const cell: HeartbeatCell = { at, state, note: note?.slice(0, MAX_NOTE) ?? null }
    if (last && index <= last.index) {
      // A clock that was set back a little writes into the newest cell: order is worth more than a place.
      if (!isWorse(last.cell.state, state)) last.cell = cell
      return
    }
    ring.push({ index, cell })
    if (ring.length > HEARTBEAT_CELLS) ring.shift()
  }

  /** A node is polled no more. */
  forget(node: string): void {
    this.#rings.delete(node)
  }

  /**
   * One strip for each group: cell by cell the worst of its nodes. What a poll said holds until the next one is due, so that a node that
   * is asked seldom has no holes between.
   *
   * @param intervalOf milliseconds between two polls of a node
   */
  strips(
    groups: readonly { scope: string; nodes: readonly string[] }[],
    now: number,
    intervalOf: (node: string) => number = () => 0,
  ): Heartbeats {
    const newest = Math.floor(now / this.cellMs)
    return {
      at: new Date(now).toISOString(),
      cellMs: this.cellMs,
      strips: groups.map(({ scope, nodes }) => {
        const cells: (HeartbeatCell | null)[] = Array.from({ length: HEARTBEAT_CELLS }, () => null)
        for (const node of nodes) {
          const ring = this.#rings.get(node) ?? []
          const held = Math.max(1, Math.ceil(intervalOf(node) / this.cellMs))
          ring.forEach(({ index, cell }, turn) => {
            const until = Math.min(index + held, ring[turn + 1]?.index ?? newest + 1, newest + 1)
            for (let at = index; at < Math.max(until, index + 1); at += 1) {
              const place = HEARTBEAT_CELLS - 1 - (newest - at)
              const known = cells[place]
              if (place < 0 || place >= HEARTBEAT_CELLS) continue
              if (!known || isWorse(cell.state, known.state)) cells[place] = naming(cell, node, nodes.length)
            }
          })
        }
        return { scope, cells }
      }),
    }
  }
}

/** In a strip of several nodes the one that is meant has to be named. */
const naming = (cell: HeartbeatCell, node: string, of: number): HeartbeatCell =>
  of > 1 && cell.state !== 'up'
    ? { ...cell, note: cell.note === null ? node : `${node}: ${cell.note}` }
    : cell
