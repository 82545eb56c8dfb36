import { randomBytes } from 'node:crypto'
import { Pool } from 'undici'
import { z } from 'zod'
import type { Log } from '../observe/log.ts'
import type { Balancer } from './balancer.ts'
import type { TrafficNode } from './traffic-messages.ts'

const DEVICES = 30
const EVERY_MS = [550, 850] as const
/** A stuck endpoint holds each push for seconds: no more than this many are waited for. */
const MAX_WAITING = 20
const CALL_TIMEOUT_MS = 30_000
const REGISTER_AGAIN_MS = [1_000, 4_000] as const

const tokensSchema = z.object({ items: z.array(z.object({ key: z.string() })).max(1_000) })
const outcomesSchema = z.object({
  outcomes: z.array(z.object({ outcome: z.string(), status: z.number().optional() })).max(1_000),
})

const between = ([from, to]: readonly [number, number]): number => from + Math.random() * (to - from)

/** The application behind one node's pushes: registers its devices, sends one to two pushes a second, and registers a device whose token was pruned. */
export class Pusher {
  readonly #node: string
  readonly #balancer: Balancer
  readonly #log: Log
  readonly #timers = new Set<NodeJS.Timeout>()
  /** Devices that will register again: one that is asked twice meanwhile still gets one token. */
  readonly #returning = new Set<string>()
  #pool: Pool | null = null
  #address = ''
  #known = false
  #waiting = 0
  #stopped = false

  constructor(node: TrafficNode, balancer: Balancer, log: Log) {
    this.#node = node.id
    this.#balancer = balancer
    this.#log = log
  }

  begin(): void {
    this.#next()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
    await this.#pool?.destroy()
  }

  #next(): void {
    this.#after(between(EVERY_MS), () => {
      this.#next()
      const seat = this.#balancer.seat(this.#node)
      if (seat?.ready && this.#waiting < MAX_WAITING) void this.#push(seat.node)
    })
  }

  async #push(node: TrafficNode): Promise<void> {
    this.#waiting += 1
    try {
      if (!this.#known) await this.#registerAll(node)
      const key = this.#key(Math.floor(Math.random() * DEVICES))
      const body = await this.#call(node, 'POST', '/push', {
        key,
        payload: { aps: { alert: `Tide at ${node.region}` } },
      })
      const { outcomes } = outcomesSchema.parse(body)
      const pruned = outcomes.some(
        ({ outcome, status }) =>
          outcome === 'no_token' || (outcome === 'rejected' && (status === 410 || status === 400)),
      )
      if (pruned && !this.#returning.has(key)) {
        this.#returning.add(key)
        this.#after(between(REGISTER_AGAIN_MS), () => {
          this.#returning.delete(key)
          void this.#register(this.#balancer.seat(this.#node)?.node ?? node, key)
        })
      }
    } catch (error) {
      // A node that drains or was killed refuses; that is what the demo shows.
      this.#log.debug({ node: this.#node, err: error }, 'a push of the demo was not taken')
    } finally {
      this.#waiting -= 1
    }
  }

  /** Devices of an earlier run are still in the node's store and are used again. */
  async #registerAll(node: TrafficNode): Promise<void> {
    this.#known = true
    try {
      const { items } = tokensSchema.parse(await this.#call(node, 'GET', '/tokens?limit=1000'))
      const there = new Set(items.map((item) => item.key))
      for (let device = 0; device < DEVICES; device++) {
        if (!there.has(this.#key(device))) await this.#register(node, this.#key(device))
      }
    } catch (error) {
      this.#known = false
      throw error
    }
  }

  async #register(node: TrafficNode, key: string): Promise<void> {
    try {
      await this.#call(node, 'PUT', `/tokens/${randomBytes(32).toString('hex')}`, { key })
    } catch (error) {
      this.#log.debug({ node: this.#node, err: error }, 'a device of the demo could not register')
    }
  }

  #key(device: number): string {
    return `device-${String(device + 1).padStart(2, '0')}`
  }

  async #call(
    node: TrafficNode,
    method: 'GET' | 'POST' | 'PUT',
    path: string,
    body?: object,
  ): Promise<unknown> {
    if (this.#address !== node.controlUrl || !this.#pool) {
      void this.#pool?.destroy()
      this.#address = node.controlUrl
      this.#pool = new Pool(node.controlUrl, {
        connections: MAX_WAITING + 2,
        headersTimeout: CALL_TIMEOUT_MS,
        bodyTimeout: CALL_TIMEOUT_MS,
        keepAliveTimeout: 10_000,
      })
    }
    const answer = await this.#pool.request({
      method,
      path,
      headers: { authorization: `Bearer ${node.controlToken}`, 'content-type': 'application/json' },
      body: body === undefined ? null : JSON.stringify(body),
    })
    const text = await answer.body.text()
    if (answer.statusCode >= 300)
      throw new Error(`${method} ${path.split('?')[0]} was answered ${answer.statusCode}`)
    return text === '' ? null : JSON.parse(text)
  }

  #after(ms: number, run: () => void): void {
    if (this.#stopped) return
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      run()
    }, ms)
    this.#timers.add(timer)
  }
}
