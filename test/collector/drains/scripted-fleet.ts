import type { DrainVerbs } from '../../../server/collector/adapters/adapter.ts'
import type { Control } from '../../../server/collector/adapters/tidegate/control.ts'
import { factsOf } from '../../../server/collector/adapters/tidegate/facts.ts'
import { TidegateVerbs } from '../../../server/collector/adapters/tidegate/verbs.ts'
import type { DrainFleet } from '../../../server/collector/drains/drain-fleet.ts'
import { AppError } from '../../../server/contract/errors.ts'
import type { FleetEvent } from '../../../server/contract/events.ts'
import type { Node, Region, Tunnel } from '../../../server/contract/fleet.ts'
import type { Health } from '../../../server/contract/health.ts'

/** A node as its control listener shows it, moved on by the calls it gets. */
export interface ScriptedNode {
  id: string
  region: string
  /** Of another kind than ours: nobody can take it out of service. */
  kind: Node['kind']
  health: Health
  /** False: nobody listens (the process is gone, a connection is refused). */
  answers: boolean
  /** True: packets are swallowed, so that every call ends by its timeout. */
  silent: boolean
  /** So many of the next answers get lost on their way back; what was asked is done all the same. */
  loseAnswers: number
  /** Somebody starts the process again as soon as it ends. */
  supervised: boolean
  /** Its process ended because a drain in mode `exit` was complete. */
  exited: boolean
  calls: string[]
  starts: number
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

const STATE_OF: Record<Health['state'], Node['state']> = {
  starting: 'unknown',
  serving: 'up',
  draining: 'draining',
  drained: 'drained',
  stopping: 'draining',
}

/**
 * A fleet of three regions whose nodes drain at once and whose hosts move to a region that serves, for tests of the orchestrator
 * alone. `states` overrides what is observed of a node.
 */
export class ScriptedFleet implements DrainFleet {
  intervalOf(): number {
    return 1_000
  }
  readonly scripted: ScriptedNode[] = []
  readonly recorded: string[] = []
  readonly order: string[] = []
  hosts: Tunnel[] = []
  /** Hosts that never come back. */
  lost = new Set<string>()
  /** Nodes that have not answered since the collector began. */
  unread = new Set<string>()
  /** When those were read last, epoch ms; 0: never. */
  unreadSince = 0
  /** Hosts stay where they are although their node drains. */
  hostsStay = false
  states = new Map<string, Node['state']>()
  capacities = new Map<string, number>()
  /** Milliseconds that every call takes. */
  delayMs = 0
  /** What a drain of any node can prove. */
  proof: 'counted' | 'none' = 'counted'
  /** Called when a drain has taken a node. */
  onDrain: (id: string) => void = () => undefined
  readonly #intents = new Map<string, Node['intent']>()
  readonly #listeners = new Set<(event: FleetEvent) => void>()

  constructor(regions: readonly string[] = ['fra', 'iad', 'sjc']) {
    for (const region of regions) {
      for (const number of [1, 2]) {
        const id = `${region}-${number}`
        this.scripted.push({
          id,
          region,
          kind: 'tidegate',
          health: health(id, region),
          answers: true,
          silent: false,
          loseAnswers: 0,
          supervised: false,
          exited: false,
          calls: [],
          starts: 1,
        })
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

  /** What is observed of a node. */
  stateOf(id: string): Node['state'] {
    const { answers, silent, health } = this.get(id)
    return this.states.get(id) ?? (answers && !silent ? STATE_OF[health.state] : 'down')
  }

  /** What visitors are told by this node, whatever anybody believes. */
  serves(id: string): boolean {
    const { answers, health } = this.get(id)
    return answers && health.state === 'serving'
  }

  kill(id: string): void {
    this.get(id).answers = false
  }

  /** A new process. A node in `hold` that kept its data folder comes back drained, one that lost it serves. */
  start(id: string, options: { keepsWish?: boolean } = {}): void {
    const node = this.get(id)
    const held = options.keepsWish === true && node.health.drain.drainId !== null
    node.answers = true
    node.silent = false
    node.exited = false
    node.starts += 1
    const { drain, relay } = node.health
    node.health = {
      ...node.health,
      epoch: `epoch-${id}-${node.starts}`,
      state: held ? 'drained' : 'serving',
      ...(relay === undefined
        ? {}
        : { relay: { ...relay, cordoned: options.keepsWish === true && relay.cordoned === true } }),
      drain: {
        ...drain,
        drainId: held ? drain.drainId : null,
        remaining: { connections: 0, requests: 0, tunnels: 0, pushes: 0 },
      },
    }
  }

  nodes(): Node[] {
    return this.scripted.map(({ id, region, kind }) => ({
      id,
      region,
      kind,
      embedded: false,
      state: this.stateOf(id),
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
    return [...new Set(this.scripted.map((node) => node.region))].map((id) => {
      const nodes = this.nodes().filter((node) => node.region === id)
      const worst = nodes.find((node) => node.state !== 'up')?.state ?? 'up'
      const capacity = this.capacities.get(id)
      return {
        id,
        name: id,
        state: worst,
        intent: 'serving',
        nodes: 2,
        up: 2,
        tunnels: this.#tunnelsIn(id),
        connections: 0,
        ...(capacity === undefined ? {} : { capacity: { tunnels: capacity } }),
      }
    })
  }

  known(id: string) {
    const { health, answers, silent, kind } = this.get(id)
    const outcome = answers && !silent ? 'ok' : 'refused'
    if (this.unread.has(id)) return { facts: null, at: this.unreadSince, outcome }
    // What another program says is its own few numbers.
    if (kind !== 'tidegate')
      return {
        facts: { ...factsOf(health), gauges: { connections: 7 }, drain: null },
        at: Date.now() + 1e12,
        outcome,
      }
    return { facts: factsOf(health), at: Date.now() + 1e12, outcome }
  }

  /** The real verbs of a node over scripted calls; null for a node of another kind. */
  drainVerbs(id: string): DrainVerbs | null {
    const node = this.get(id)
    if (node.kind !== 'tidegate') return null
    const target = { id, url: '', token: '', embedded: false }
    const call: Control['call'] = (_target, method, path, body) => this.call(id, method, path, body)
    return new TidegateVerbs({ call }, () => target)
  }

  drainProof() {
    return this.proof
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
    if (this.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, this.delayMs))
    if (node.silent) throw new AppError('ERR_NODE_UNREACHABLE', `${id} gave no answer within 3000 ms`)
    if (!node.answers) {
      const cause = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
      throw new AppError('ERR_NODE_UNREACHABLE', `${id} does not answer`, {}, { cause })
    }
    const answer = this.#answer(node, method, path, body)
    if (node.loseAnswers > 0) {
      node.loseAnswers -= 1
      throw new AppError('ERR_NODE_UNREACHABLE', `the answer of ${id} was lost`)
    }
    return answer
  }

  #answer(
    node: ScriptedNode,
    method: string,
    path: string,
    body: unknown,
  ): { status: number; body: unknown } {
    const { id } = node
    if (path === '/health') return { status: 200, body: structuredClone(node.health) }
    if (path === '/healthz/ready') return { status: node.health.state === 'serving' ? 200 : 503, body: {} }
    node.calls.push(`${method} ${path}`)
    this.order.push(`${id} ${path}`)
    const { relay, drain } = node.health
    if (path === '/cordon' && relay) relay.cordoned = true
    if (path === '/drain') {
      const order = body as { drainId: string; mode: string }
      if (drain.drainId !== null && drain.drainId !== order.drainId)
        return { status: 409, body: { error: { message: `held by ${drain.drainId}` } } }
      drain.drainId = order.drainId
      node.health.state = 'drained'
      this.onDrain(id)
      if (!this.hostsStay) this.moveHosts(id)
      if (order.mode === 'exit') {
        // Done as wished: it forgets its wish before it ends.
        drain.drainId = null
        if (relay) relay.cordoned = false
        node.exited = true
        node.answers = false
        if (node.supervised) this.start(id)
      }
    }
    if (path === '/resume') {
      node.health.state = 'serving'
      drain.drainId = null
      if (relay) relay.cordoned = false
    }
    return { status: path === '/resume' ? 200 : 202, body: {} }
  }

  moveHosts(from: string): void {
    const to = this.scripted.find((node) => node.region !== this.get(from).region && this.serves(node.id))
    for (const host of this.hosts.filter((tunnel) => tunnel.node === from && tunnel.state === 'registered')) {
      if (to === undefined || this.lost.has(host.hostId)) {
        host.state = 'lost'
        continue
      }
      host.region = to.region
      host.node = to.id
      for (const listener of this.#listeners) {
        listener({
          id: 1,
          source: 'node',
          seq: 1,
          epoch: 'e',
          node: to.id,
          region: to.region,
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
