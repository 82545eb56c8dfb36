import { Client, Pool } from 'undici'
import type { TrafficNode } from './traffic-messages.ts'

const POLL_MS = 1_000
const POLL_TIMEOUT_MS = 900
const REQUEST_TIMEOUT_MS = 10_000
const CONNECTIONS_PER_POOL = 2
const KEEP_ALIVE_MS = 20_000

/** One node as its visitors see it. */
export class Seat {
  node: TrafficNode
  ready = false
  /** Kept-alive connections through the proxy and to the relay; fresh ones each time the node becomes ready. */
  proxy: Pool | null = null
  relay: Pool | null = null

  constructor(node: TrafficNode) {
    this.node = node
  }

  open(): void {
    const options = {
      connections: CONNECTIONS_PER_POOL,
      keepAliveTimeout: KEEP_ALIVE_MS,
      headersTimeout: REQUEST_TIMEOUT_MS,
      bodyTimeout: REQUEST_TIMEOUT_MS,
      connect: { timeout: REQUEST_TIMEOUT_MS },
    }
    this.proxy = new Pool(`http://127.0.0.1:${this.node.httpPort}`, options)
    this.relay = new Pool(`http://127.0.0.1:${this.node.relayPort}`, options)
  }

  /** What is in flight finishes; idle connections end at once. */
  shut(): Promise<void> {
    const pools = [this.proxy, this.relay].filter((pool) => pool !== null)
    this.proxy = null
    this.relay = null
    return Promise.all(pools.map((pool) => pool.close().catch(() => pool.destroy()))).then(() => undefined)
  }
}

/**
 * Heeds readiness as a load balancer does: asks every node's public health listener each second, sends new work only to nodes that
 * are ready, and tells visitors when one stops being so.
 */
export class Balancer {
  readonly #seats = new Map<string, Seat>()
  readonly #probes = new Map<string, Client>()
  readonly #leaving = new Set<(node: string) => void>()
  #timer: NodeJS.Timeout | undefined
  #turn = 0
  #stopped = false

  begin(nodes: readonly TrafficNode[]): void {
    for (const node of nodes) this.#seats.set(node.id, new Seat(node))
    void this.#poll()
    this.#timer = setInterval(() => void this.#poll(), POLL_MS)
  }

  moved(node: TrafficNode): void {
    const seat = this.#seats.get(node.id)
    if (seat) seat.node = node
  }

  seats(): Seat[] {
    return [...this.#seats.values()]
  }

  seat(id: string): Seat | undefined {
    return this.#seats.get(id)
  }

  /** A ready node, in the region where it has one, elsewhere otherwise; null while none is ready. */
  pick(region: string): Seat | null {
    const ready = this.seats().filter((seat) => seat.ready)
    const near = ready.filter((seat) => seat.node.region === region)
    const choice = near.length > 0 ? near : ready
    this.#turn += 1
    return choice[this.#turn % Math.max(1, choice.length)] ?? null
  }

  /** `listener` is called when a node stops being ready. */
  onLeaving(listener: (node: string) => void): void {
    this.#leaving.add(listener)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearInterval(this.#timer)
    this.#leaving.clear()
    await Promise.all([...this.#probes.values()].map((probe) => probe.destroy()))
    this.#probes.clear()
    await Promise.all(this.seats().flatMap((seat) => [seat.proxy?.destroy(), seat.relay?.destroy()]))
  }

  async #poll(): Promise<void> {
    await Promise.all(this.seats().map((seat) => this.#probe(seat)))
  }

  async #probe(seat: Seat): Promise<void> {
    const ready = await this.#isReady(seat.node)
    if (this.#stopped || ready === seat.ready) return
    seat.ready = ready
    if (ready) {
      seat.open()
      return
    }
    void seat.shut()
    for (const listener of this.#leaving) listener(seat.node.id)
  }

  async #isReady(node: TrafficNode): Promise<boolean> {
    const probe =
      this.#probes.get(node.id) ??
      new Client(`http://127.0.0.1:${node.healthPort}`, { connect: { timeout: POLL_TIMEOUT_MS } })
    this.#probes.set(node.id, probe)
    try {
      const answer = await probe.request({
        method: 'GET',
        path: '/healthz/ready',
        headersTimeout: POLL_TIMEOUT_MS,
        bodyTimeout: POLL_TIMEOUT_MS,
      })
      await answer.body.dump()
      return answer.statusCode === 200
    } catch {
      return false // a balancer asks no further why
    }
  }
}
