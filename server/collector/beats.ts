import type { Heartbeats } from '../contract/index.ts'
import type { Fleet } from './fleet/fleet.ts'
import { HeartbeatRings } from './watch/heartbeats.ts'

/** What every poll said of its node, drawn as strips of the whole fleet or of one region. */
export class Beats {
  readonly #fleet: Fleet
  readonly #rings: HeartbeatRings

  /** @param pollIntervalMs usual time between two polls of a node */
  constructor(fleet: Fleet, pollIntervalMs: number) {
    this.#fleet = fleet
    this.#rings = new HeartbeatRings(pollIntervalMs)
  }

  /** A node was polled, at epoch ms. */
  beat(id: string, poll: { at: number; outcome: string }): void {
    const node = this.#fleet.member(id)
    if (!node) return
    const judged = this.#fleet.standing(node)?.state ?? node.judgement.state
    // One poll without an answer makes no node down, and is no proof that it is up either.
    const state = poll.outcome !== 'ok' && judged === 'up' ? 'degraded' : judged
    this.#rings.beat(id, poll.at, state, node.judgement.problems[0] ?? null)
  }

  /** A node is polled no more. */
  forget(node: string): void {
    this.#rings.forget(node)
  }

  /**
   * A strip a region, or a strip a node of one region.
   *
   * @param now epoch ms
   */
  strips(region: string | undefined, now: number): Heartbeats {
    const fleet = this.#fleet
    const groups =
      region === undefined
        ? fleet.regions().map(({ id }) => ({
            scope: `region:${id}`,
            nodes: fleet.nodesOf(id).map((node) => node.id),
          }))
        : fleet.nodesOf(region).map(({ id }) => ({ scope: `node:${id}`, nodes: [id] }))
    return this.#rings.strips(groups, now, (id) => fleet.intervalOf(id))
  }
}
