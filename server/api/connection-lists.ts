import type { CollectorHandle } from '../collector/handle.ts'
import type { NodeConnection } from '../contract/index.ts'
import { within } from '../time/deadline.ts'

type NodeList = Awaited<ReturnType<CollectorHandle['connections']>>

export interface FleetList {
  items: NodeConnection[]
  total: number
  /** Nodes that gave no list. */
  unknown: string[]
}

export interface ConnectionListsOptions {
  connections: CollectorHandle['connections']
  nodes(): string[]
  /** Nodes asked at once. */
  maxAtOnce?: number
  /** How long a round through the fleet may take, in ms; nodes that were not asked by then are named as unknown. */
  deadlineMs?: number
  /** How long one answer for the whole fleet is reused for other callers, in ms. */
  freshMs?: number
}

/** Lists come in two sizes, so that another limit does not start another round. */
const SIZES = [100, 1_000] as const

/**
 * Lists of connections, which only the nodes have. However many viewers ask, one round goes through the fleet, a few nodes at a
 * time; they share its answer.
 */
export class ConnectionLists {
  readonly #options: Required<ConnectionListsOptions>
  readonly #rounds = new Map<number, { answer: Promise<FleetList>; endedAt: number | null }>()
  readonly #asked = new Map<string, Promise<NodeList>>()

  constructor(options: ConnectionListsOptions) {
    this.#options = { maxAtOnce: 8, deadlineMs: 10_000, freshMs: 1_000, ...options }
  }

  async ofNode(node: string, limit: number): Promise<NodeList> {
    const { items, total } = await this.#ask(node, sizeOf(limit))
    return { items: items.slice(0, limit), total }
  }

  async ofFleet(limit: number): Promise<FleetList> {
    const size = sizeOf(limit)
    let round = this.#rounds.get(size)
    const isOver = round?.endedAt != null && performance.now() - round.endedAt > this.#options.freshMs
    if (round === undefined || isOver) {
      const fresh: { answer: Promise<FleetList>; endedAt: number | null } = {
        answer: this.#round(size).finally(() => {
          fresh.endedAt = performance.now()
        }),
        endedAt: null,
      }
      this.#rounds.set(size, fresh)
      round = fresh
    }
    const { items, total, unknown } = await round.answer
    return { items: items.slice(0, limit), total, unknown }
  }

  async #round(size: number): Promise<FleetList> {
    const { maxAtOnce, deadlineMs } = this.#options
    const nodes = this.#options.nodes()
    const told = new Map<string, NodeList>()
    const until = performance.now() + deadlineMs
    let next = 0
    const work = async (): Promise<void> => {
      while (next < nodes.length && performance.now() < until) {
        const node = nodes[next++] as string
        // Nodes that give no list are named below.
        const list = await this.#ask(node, size).catch(() => null)
        if (list !== null) told.set(node, list)
      }
    }
    // Nodes that have not answered by then are named below.
    await within(deadlineMs, Promise.all(Array.from({ length: maxAtOnce }, work)), { late: () => null })
    const lists = nodes.flatMap((node) => told.get(node) ?? [])
    return {
      items: lists.flatMap(({ items }) => items).slice(0, size),
      total: lists.reduce((sum, { total }) => sum + total, 0),
      unknown: nodes.filter((node) => !told.has(node)),
    }
  }

  /** Callers who ask the same of a node at the same time share one request. */
  #ask(node: string, size: number): Promise<NodeList> {
    const key = `${size} ${node}`
    const known = this.#asked.get(key)
    if (known !== undefined) return known
    const answer = this.#options.connections(node, size).finally(() => this.#asked.delete(key))
    this.#asked.set(key, answer)
    return answer
  }
}

const sizeOf = (limit: number): number => (limit <= SIZES[0] ? SIZES[0] : SIZES[1])
