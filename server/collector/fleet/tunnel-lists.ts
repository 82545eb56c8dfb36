import type { FleetEvent, LivePublisher, NodeTunnel } from '../../contract/index.ts'
import type { Log } from '../../observe/log.ts'
import type { Store } from '../../store/store.ts'
import type { Fleet } from './fleet.ts'
import type { FleetNode } from './fleet-node.ts'
import type { NodeClock } from './node-clock.ts'

/** After a list the event loop has so many times its cost for everything else before it is read again. */
const REST = 200
const AT_ONCE = 8

/** Keeps the map of hosts right: by events as they are stored, and by each relay's own list. */
export class TunnelLists {
  readonly #fleet: Fleet
  readonly #store: Pick<Store, 'saveTunnels' | 'forgetTunnels'>
  readonly #live: Pick<LivePublisher, 'changed'>
  readonly #touch: (node: string | null) => void
  readonly #log: Log
  readonly #now: () => number
  #closed = false

  constructor(options: {
    fleet: Fleet
    store: Pick<Store, 'saveTunnels' | 'forgetTunnels'>
    live: Pick<LivePublisher, 'changed'>
    /** Says that something about a node changed. */
    touch: (node: string | null) => void
    log: Log
    /** Wall clock in epoch ms. */
    now: () => number
  }) {
    this.#fleet = options.fleet
    this.#store = options.store
    this.#live = options.live
    this.#touch = options.touch
    this.#log = options.log
    this.#now = options.now
  }

  /** Takes in a stored event. */
  happened(event: FleetEvent): void {
    // Its last events may be stored after it has left.
    if (event.node !== null && this.#fleet.member(event.node) === null) return
    const { hostId, gapMs } = event.data
    const before = typeof hostId === 'string' ? (this.#fleet.hosts.get(hostId)?.node ?? null) : null
    if (this.#fleet.hosts.apply(event)) this.#changed(event.node, before)
    if (event.type !== 'tunnel.registered' || event.node === null || typeof gapMs !== 'number') return
    this.#fleet.member(event.node)?.sawGap(gapMs)
  }

  /** Puts the map right by the node's own list. Never rejects. */
  async read(node: FleetNode): Promise<void> {
    if (this.#closed || (node.facts !== null && node.facts.gauges.tunnels === undefined)) return
    const askedAt = this.#now()
    try {
      const list = (await node.adapter.tunnels?.(node.target)) ?? null
      if (list === null || node.hasLeft) return
      const readAt = performance.now()
      this.#unread(node, 'unreadable' in list ? list.unreadable : null)
      if ('unreadable' in list) return
      const items = list.items.map((item) => inOurTime(item, node.clock, this.#now()))
      if (this.#fleet.hosts.reconcile(node.id, node.region, items, list.directory, askedAt))
        this.#changed(node.id)
      const took = performance.now() - readAt
      node.restTunnels(readAt + took * REST)
    } catch (error) {
      // The poll says whether it is down; here it only means that the map is as old as the events.
      this.#log.debug({ err: error, node: node.id }, 'a list of tunnels could not be read')
    }
  }

  /** Reads the list of every node whose events flow and that had its rest. */
  async readAll(): Promise<void> {
    const waiting = this.#fleet.members().filter((node) => node.tunnelsAreDue)
    const work = async (): Promise<void> => {
      for (let node = waiting.shift(); node; node = waiting.shift()) await this.read(node)
    }
    await Promise.all(Array.from({ length: AT_ONCE }, work))
  }

  /** Saves what changed in the map. */
  async save(): Promise<void> {
    const { hosts } = this.#fleet
    if (hosts.forgetLost(this.#now())) this.#live.changed('tunnels')
    const gone = hosts.takeGone()
    const rows = hosts.takeDirty()
    try {
      await this.#store.forgetTunnels(gone)
      await this.#store.saveTunnels(rows)
    } catch (error) {
      hosts.giveBackGone(gone)
      hosts.giveBack(rows)
      throw error
    }
  }

  close(): void {
    this.#closed = true
  }

  #changed(...nodes: (string | null)[]): void {
    this.#live.changed('tunnels')
    this.#live.changed('overview')
    for (const id of new Set(nodes)) this.#touch(id)
  }

  #unread(node: FleetNode, why: string | null): void {
    if (!node.setTunnelsUnread(why)) return
    if (why !== null) this.#log.warn({ node: node.id, why }, 'a list of tunnels cannot be read')
    this.#touch(node.id)
    this.#live.changed('overview')
  }
}

/** A tunnel of a node's list with its times in our clock. */
const inOurTime = (tunnel: NodeTunnel, clock: NodeClock, nowMs: number): NodeTunnel => {
  const ours = (time: string): string => {
    const at = Date.parse(time)
    return Number.isFinite(at) ? new Date(Math.min(clock.toOurs(at), nowMs)).toISOString() : time
  }
  return {
    ...tunnel,
    since: ours(tunnel.since),
    lastPongAt: tunnel.lastPongAt === null ? null : ours(tunnel.lastPongAt),
  }
}
