import type { DrainFleet } from '../../../server/collector/drains/drain-fleet.ts'
import { AppError } from '../../../server/contract/errors.ts'
import type { FleetEvent } from '../../../server/contract/events.ts'
import type { Node, Region, Tunnel } from '../../../server/contract/fleet.ts'
import type { Health } from '../../../server/contract/health.ts'

/** A node as its control listener shows it, moved on by the calls it gets. */
export interface ScriptedNode {
  id: string
  region: string
  health: Health
  answers: boolean
  calls: string[]
}

const health = (id: string, region: string): Health => ({
  ok: true,
  state: 'serving',
  region,
  node: id,
  version: '0.1.0',
  epoch: `epoch-${id}`,
  startedAt: '2026-01-01T00:00:00Z',
  uptimeSeconds: 1,
  seq: 0,
  relay: {
    tunnels: { current: 0, registered: 0, lost: 0, reconnected: 0, refused: {} },
    closedBy: {},
    requests: { total: 0, pending: 0, byStatus: {} },
    directory: { backend: 'shared', reachable: true, entries: 0, mismatches: 0 },
    cordoned: false,
  },
  drain: {
    drainId: null,
    phase: null,
    startedAt: null,
    reason: null,
    budgetSeconds: { preDrain: 1, http: 5, tunnels: 3, margin: 10 },
    ceilingSeconds: 120,
    fits: true,
    remaining: { connections: 0, requests: 0, tunnels: 0, pushes: 0 },
  },
  process: { rssBytes: 1, eventLoopDelayP99Ms: 1, openFds: 1, cpuSeconds: 1 },
})

/** A fleet of three regions whose nodes drain at once and whose hosts move to the next region, for tests of the orchestrator alone. */
export class ScriptedFleet implements DrainFleet {
  readonly pollIntervalMs = 1_000
  readonly scripted: ScriptedNode[] = []
  readonly recorded: string[] = []
  readonly order: string[] = []
  hosts: Tunnel[] = []
  /** Hosts that never come back. */
  lost = new Set<string>()
  states = new Map<string, Node['state']>()
  readonly #intents = new Map<string, Node['intent']>()
  readonly #listeners = new Set<(event: FleetEvent) => void>()

  constructor() {
    for (const region of ['fra', 'iad', 'sjc']) {
      for (const number of [1, 2]) {
        const id = `${region}-${number}`
        this.scripted.push({ id, region, health: health(id, region), answers: true, calls: [] })
        for (const host of ['a', 'b']) {
          this.hosts.push({
            hostId: `${id}-${host}`,
            region,
            node: id,
            state: 'registered',
            since: '2026-01-01T00:00:00Z',
            lastGapMs: null,
            lastCloseCode: null,
            lastCloseMeaning: null,
            previousNode: null,
            presence: { directory: id, relay: true, lastPongAt: null },
          })
        }
      }
    }
  }

  get(id: string): ScriptedNode {
    const node = this.scripted.find((candidate) => candidate.id === id)
    if (node === undefined) throw new Error(`no node ${id}`)
    return node
  }

  nodes(): Node[] {
    return this.scripted.map(({ id, region }) => ({
      id,
      region,
      kind: 'tidegate',
      embedded: false,
      state: this.states.get(id) ?? 'up',
      intent: this.#intents.get(id) ?? 'serving',
      problems: [],
      version: '0.1.0',
      since: '',
      lastPollAt: null,
      latencyMs: 1,
      lastOutcome: 'ok',
      clockSkewMs: 0,
      streamState: 'live',
      numbers: {},
    }))
  }

  regions(): Region[] {
    return ['fra', 'iad', 'sjc'].map((id) => {
      const nodes = this.nodes().filter((node) => node.region === id)
      const worst = nodes.find((node) => node.state !== 'up')?.state ?? 'up'
      return {
        id,
        name: id,
        state: worst,
        intent: 'serving',
        nodes: 2,
        up: 2,
        tunnels: this.#tunnelsIn(id),
        connections: 0,
      }
    })
  }

  health(id: string) {
    return { document: this.get(id).health, at: Date.now() + 1e12, outcome: 'ok' }
  }

  tunnels(): Tunnel[] {
    return this.hosts
  }

  onEvent(listener: (event: FleetEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async call(
    id: string,
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ status: number; body: unknown }> {
    const node = this.get(id)
    if (!node.answers) throw new AppError('ERR_NODE_UNREACHABLE', `${id} does not answer`)
    if (path === '/health') return { status: 200, body: node.health }
    if (path === '/healthz/ready') return { status: node.health.state === 'serving' ? 200 : 503, body: {} }
    node.calls.push(`${method} ${path}`)
    this.order.push(`${id} ${path}`)
    const { relay, drain } = node.health
    if (path === '/cordon' && relay) relay.cordoned = true
    if (path === '/drain') {
      node.health.state = 'drained'
      drain.drainId = (body as { drainId: string }).drainId
      this.moveHosts(id)
    }
    if (path === '/resume') {
      node.health.state = 'serving'
      drain.drainId = null
      if (relay) relay.cordoned = false
    }
    return { status: path === '/resume' ? 200 : 202, body: {} }
  }

  moveHosts(from: string): void {
    for (const host of this.hosts.filter((tunnel) => tunnel.node === from)) {
      if (this.lost.has(host.hostId)) {
        host.state = 'lost'
        continue
      }
      host.region = 'iad'
      host.node = 'iad-1'
      for (const listener of this.#listeners) {
        listener({
          id: 1,
          source: 'node',
          seq: 1,
          epoch: 'e',
          node: 'iad-1',
          region: 'iad',
          type: 'tunnel.registered',
          at: new Date().toISOString(),
          receivedAt: '',
          data: { hostId: host.hostId, gapMs: 120, previousNode: from, previousCloseCode: 4001, attempt: 1 },
        })
      }
    }
  }

  setIntent(nodes: readonly string[], intent: Node['intent']): void {
    for (const node of nodes) this.#intents.set(node, intent)
  }

  async record(type: string): Promise<void> {
    this.recorded.push(type)
  }

  openIncidents() {
    return []
  }

  #tunnelsIn(region: string): number {
    return this.hosts.filter((host) => host.region === region && host.state === 'registered').length
  }
}
