import type { Adapter } from '../../../server/collector/adapters/adapter.ts'
import type { Reading } from '../../../server/collector/adapters/reading.ts'
import type { NodeTarget } from '../../../server/collector/adapters/registry.ts'
import { factsWith } from '../signals/scripted-view.ts'
import type { VirtualTime } from './virtual-time.ts'

/** Numbers from 0 to 1 that a seed decides (mulberry32). */
export const seeded = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const PUSHES_PER_SECOND = 2

/** One process on one machine, as a poll sees it. */
class SimulatedNode {
  readonly id: string
  readonly #time: VirtualTime
  /** The process is gone: its machine refuses. */
  isKilled = false
  /** Nothing comes back, whatever is asked. */
  isSilent = false
  /** Pushes come in and none goes out. */
  isStuck = false
  #run = 1
  #beganAt: number
  #countedAt: number
  #received = 0
  #delivered = 0

  constructor(id: string, time: VirtualTime) {
    this.id = id
    this.#time = time
    // It has been running for a while.
    this.#beganAt = time.monotonic() - 3_600_000
    this.#countedAt = time.monotonic()
  }

  become(trouble: Partial<Pick<SimulatedNode, 'isKilled' | 'isSilent' | 'isStuck'>>): void {
    Object.assign(this, trouble)
  }

  /** Another process begins. */
  start(): void {
    this.#run += 1
    this.#beganAt = this.#time.monotonic()
    this.#countedAt = this.#beganAt
    this.#received = 0
    this.#delivered = 0
    this.isKilled = false
  }

  facts() {
    const now = this.#time.monotonic()
    const pushes = ((now - this.#countedAt) / 1_000) * PUSHES_PER_SECOND
    this.#countedAt = now
    this.#received += pushes
    if (!this.isStuck) this.#delivered = this.#received
    return factsWith({
      state: 'serving',
      epoch: `${this.id}-${this.#run}`,
      uptimeMs: now - this.#beganAt,
      gauges: { connections: 40, tunnels: 12 },
      counters: {
        push_received: { push: Math.floor(this.#received) },
        push_delivered: { push: Math.floor(this.#delivered) },
      },
    })
  }
}

export interface Weather {
  /** Share of polls that get lost. */
  loss: number
  /** An answer takes up to so much longer than the shortest, ms. */
  jitterMs: number
}

const TIMEOUT_MS = 3_000
const SHORTEST_MS = 15

/** An adapter whose nodes answer as a seed says: with loss, with jitter, and with what happens to them. No sockets. */
export class SimulatedFleet
  implements Pick<Adapter<NodeTarget>, 'kind' | 'probe' | 'proves' | 'forget' | 'close'>
{
  readonly kind = 'tidegate'
  readonly nodes: ReadonlyMap<string, SimulatedNode>
  /** The collector's own network is gone. */
  isCutOff = false
  asked = 0
  lost = 0
  readonly #time: VirtualTime
  readonly #weather: Weather
  readonly #random: () => number

  constructor(ids: readonly string[], seed: number, weather: Weather, time: VirtualTime) {
    this.#time = time
    this.#weather = weather
    this.#random = seeded(seed)
    this.nodes = new Map(ids.map((id) => [id, new SimulatedNode(id, time)]))
  }

  setCutOff(isCutOff: boolean): void {
    this.isCutOff = isCutOff
  }

  of(region: string): SimulatedNode[] {
    return [...this.nodes.values()].filter(({ id }) => id.startsWith(region))
  }

  async probe({ id }: NodeTarget): Promise<Reading> {
    const node = this.nodes.get(id)!
    const at = this.#time.now()
    const began = this.#time.monotonic()
    const isLost = this.#random() < this.#weather.loss
    const tookMs = SHORTEST_MS + this.#random() * this.#weather.jitterMs
    this.asked += 1
    if (isLost) this.lost += 1
    const isMute = isLost || node.isSilent || this.isCutOff
    await this.#wait(isMute ? TIMEOUT_MS : tookMs)
    const durationMs = this.#time.monotonic() - began
    const asked = { at, durationMs, status: null }
    if (isMute) return { ...asked, outcome: 'timeout', reason: 'no complete answer within 3000 ms' }
    if (node.isKilled) return { ...asked, outcome: 'refused', reason: 'connection refused' }
    const saidAt = Math.floor(this.#time.now() / 1_000) * 1_000
    return { ...asked, status: 200, outcome: 'ok', reason: 'answered', facts: node.facts(), raw: {}, saidAt }
  }

  proves(): 'counted' {
    return 'counted'
  }

  forget(): void {
    // Nothing is kept open.
  }

  async close(): Promise<void> {
    // Nothing is open.
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#time.settle()
      this.#time.set(() => {
        this.#time.settle()
        resolve()
      }, ms)
    })
  }
}
