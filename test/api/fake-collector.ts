import type { DrainDesk } from '../../server/collector/desks/drain-desk.ts'
import type { IncidentDesk } from '../../server/collector/desks/incident-desk.ts'
import type { MaintenanceDesk } from '../../server/collector/desks/maintenance-desk.ts'
import type { CollectorHandle } from '../../server/collector/handle.ts'
import {
  type Annotation,
  AppError,
  type Drain,
  type Health,
  type Incident,
  type MaintenanceWindow,
  type NodeDetail,
  type Overview,
  type Region,
  type TimelineItem,
  type Tunnel,
} from '../../server/contract/index.ts'
import { drain, incident, iso, start, tunnel } from '../store/fixtures.ts'

const at = iso(start)

const node = (id: string, region: string): NodeDetail => ({
  id,
  region,
  kind: 'tidegate',
  embedded: true,
  state: 'up',
  intent: 'serving',
  problems: [],
  version: '1.0.0',
  since: at,
  lastPollAt: at,
  latencyMs: 2,
  lastOutcome: 'ok',
  clockSkewMs: 0,
  streamState: 'live',
  numbers: { tunnels: 4 },
  controlUrl: null,
  listeners: [],
  measures: ['tunnels'],
  drains: null,
  tables: [],
  health: null,
})

/** A collector in memory, with two nodes, that notes what it was asked to do. */
export class FakeCollector implements CollectorHandle {
  readonly calls: string[] = []
  readonly #nodes = [node('fra-1', 'fra'), node('iad-1', 'iad')]
  readonly #incidents = new Map<string, Incident>([['i1', incident('i1')]])
  readonly #drains = new Map<string, Drain>([['d1', drain('d1').drain]])
  /** Set: the next call of a drain plan waits for it. */
  hold: Promise<void> | null = null
  fail: Error | null = null

  overview(): Overview {
    if (this.fail) throw this.fail
    return {
      at,
      verdict: { level: 'ok', text: 'All six nodes are up' },
      regions: this.regions(),
      nodes: this.#nodes,
      incidents: [],
      drains: [],
      held: [],
      totals: { nodes: 2, up: 2, unknown: 0, tunnels: 8, connections: 0 },
      live: { hub: 'h', seq: 1 },
      collector: { latenessP99Ms: 1, storeOk: true, startedAt: at },
      problems: [],
      demo: false,
    }
  }
  heartbeats(region?: string) {
    const scope = region === undefined ? 'region:fra' : 'node:fra-1'
    return {
      at,
      cellMs: 6_000,
      strips: [{ scope, cells: [null, { at: start, state: 'up' as const, note: null }] }],
    }
  }
  regions(): Region[] {
    const region = { state: 'up', intent: 'serving', nodes: 1, up: 1, tunnels: 4, connections: 0 } as const
    return [
      { id: 'fra', name: 'Frankfurt', ...region },
      { id: 'iad', name: 'Ashburn', ...region },
    ]
  }
  nodes() {
    return this.#nodes
  }
  node(id: string) {
    return this.#nodes.find((each) => each.id === id) ?? null
  }
  health(id: string) {
    return id === 'fra-1' ? ({ id, state: 'serving' } as unknown as Health) : null
  }
  probe(): ReturnType<CollectorHandle['probe']> {
    return Promise.reject(new AppError('ERR_CAPACITY', 'Too many look at once', { limit: 4 }))
  }

  tunnels(): Tunnel[] {
    return [
      tunnel('host-2'),
      tunnel('host-1'),
      tunnel('host-3', { state: 'lost', region: 'iad', node: 'iad-1' }),
    ]
  }
  async connections() {
    return { items: [], total: 0 }
  }
  async kickTunnel(hostId: string, reason: string) {
    this.calls.push(`kick ${hostId}: ${reason}`)
  }
  async closeConnection(nodeId: string, id: string, reason: string) {
    this.calls.push(`close ${nodeId}/${id}: ${reason}`)
  }
  async invalidatePushSession(nodeId: string, reason: string) {
    this.calls.push(`invalidate ${nodeId}: ${reason}`)
  }
  figures() {
    return { latenessP99Ms: 1, pollsMissed: 0, targets: 2, streams: 2 }
  }

  room() {
    return {
      problems: [],
      events: {
        queued: 3,
        queuedBytes: 300,
        dropped: 1,
        stored: 10,
        oldestAgeMs: 1_500,
        lastStoredAt: at,
        refused: { too_large: 2 },
        throttledMs: 2_500,
      },
      hosts: { known: 4, overflowed: 0, forgotten: 1 },
      parts: { polls: 500, detection: 200 },
    }
  }

  readonly drains: DrainDesk = {
    preview: async () => {
      await this.hold
      return { moves: [], nodes: [], forecast: [], phases: [], totalSeconds: 9, blockers: [], warnings: [] }
    },
    create: async (request) => {
      const id = request.region ?? request.node
      if (request.confirm !== id) throw new AppError('ERR_CONFIRM_MISMATCH', `Type ${id}`, { id })
      this.calls.push(`drain ${id}`)
      return drain('d2').drain
    },
    get: async (id) => this.#drains.get(id) ?? null,
    list: async () => ({ items: [...this.#drains.values()], nextCursor: null }),
    act: async (id, action, { version }) => {
      const known = this.#drains.get(id)!
      if (version !== known.version)
        throw new AppError('ERR_VERSION_CONFLICT', 'changed', { by: 'ben', at, version: known.version })
      this.calls.push(`${action} ${id}`)
      return known
    },
  }

  readonly notifications: CollectorHandle['notifications'] = {
    list: async () => ({ items: [], nextCursor: null }),
    channels: async () => [],
    counts: () => [],
    test: async (channel) => {
      throw new AppError('ERR_NOT_FOUND', `There is no channel ${channel}`, { id: channel })
    },
  }

  readonly incidents: IncidentDesk = {
    list: async () => ({ items: [...this.#incidents.values()], nextCursor: null }),
    get: async (id) => this.#incidents.get(id) ?? null,
    timeline: async () => ({ items: [], gaps: [], nextCursor: null }),
    export: async (id, format) => (format === 'md' ? `# ${id}\n` : JSON.stringify({ id })),
    acknowledge: async (id, _actor, reason) => {
      this.calls.push(`acknowledge ${id}: ${reason ?? 'no reason'}`)
      return this.#incidents.get(id)!
    },
    mitigate: async (id) => this.#incidents.get(id)!,
    resolve: async (id) => this.#incidents.get(id)!,
    note: async (_id, text, actor): Promise<TimelineItem> => {
      this.calls.push(`note ${text} by ${actor.name}`)
      return { id: 'n1', at, receivedAt: at, kind: 'note', source: actor.name, title: text, data: {} }
    },
    patch: async (id) => this.#incidents.get(id)!,
    annotate: async (request, actor): Promise<Annotation> => ({
      id: 'a1',
      at,
      title: request.title,
      kind: request.kind,
      regions: request.regions ?? [],
      actor: actor.name,
    }),
  }

  readonly #windows = new Map<string, MaintenanceWindow>([['m1', maintenanceWindow('m1')]])
  readonly maintenance: MaintenanceDesk = {
    list: async ({ status }) => ({
      items: [...this.#windows.values()].filter(({ state }) => status === undefined || state === status),
      nextCursor: null,
    }),
    create: async ({ regions = [], nodes = [], ...request }, actor) => {
      const window = { ...maintenanceWindow('m2'), ...request, regions, nodes, createdBy: actor.name }
      this.#windows.set(window.id, window)
      return window
    },
    end: async (id) => {
      if (!this.#windows.delete(id))
        throw new AppError('ERR_NOT_FOUND', `There is no maintenance window ${id}`, { id })
      this.calls.push(`end maintenance ${id}`)
    },
  }
}

const maintenanceWindow = (id: string): MaintenanceWindow => ({
  id,
  title: 'Kernel update',
  reason: 'CVE-2026-1234',
  from: at,
  to: iso(start + 3_600_000),
  regions: ['fra'],
  nodes: [],
  state: 'active',
  createdAt: at,
  createdBy: 'ana@example.com',
  held: [],
})
