import fc from 'fast-check'
import { expect } from 'vitest'
import { isActiveDrain } from '../../../server/contract/drain-rules.ts'
import type { Drain, DrainAction } from '../../../server/contract/drains.ts'
import { AppError } from '../../../server/contract/errors.ts'
import { ana, DrainBench, inWeather, root, type Weather } from './drain-bench.ts'
import type { ScriptedFleet } from './scripted-fleet.ts'

export const NODES = ['fra-1', 'fra-2', 'iad-1', 'iad-2'] as const

export type Op =
  | { op: 'create'; subject: string; mode: 'hold' | 'exit'; startInMs: number | null }
  | { op: 'create_both' }
  | { op: 'act'; action: DrainAction; which: number; stale: boolean; end: 'serving' | 'held' }
  | { op: 'kill'; node: string }
  | { op: 'start'; node: string; keepsWish: boolean }
  | { op: 'lose'; node: string; count: number }
  | { op: 'silence'; node: string; silent: boolean }
  | { op: 'store'; away: boolean; slowMs: number }
  | { op: 'restart_collector' }
  | { op: 'pass'; ms: number }

const node = fc.constantFrom(...NODES)
export const op: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant('create' as const),
      subject: fc.constantFrom('fra', 'iad', ...NODES),
      mode: fc.constantFrom('hold' as const, 'hold' as const, 'exit' as const),
      startInMs: fc.constantFrom(null, null, 3_000),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ op: 'create_both' as const }) },
  {
    weight: 6,
    arbitrary: fc.record({
      op: fc.constant('act' as const),
      action: fc.constantFrom('abort' as const, 'resume' as const, 'pause' as const, 'continue' as const),
      which: fc.nat(5),
      stale: fc.boolean(),
      end: fc.constantFrom('serving' as const, 'held' as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('kill' as const), node }) },
  {
    weight: 3,
    arbitrary: fc.record({ op: fc.constant('start' as const), node, keepsWish: fc.boolean() }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ op: fc.constant('lose' as const), node, count: fc.integer({ min: 1, max: 4 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ op: fc.constant('silence' as const), node, silent: fc.boolean() }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('store' as const),
      away: fc.boolean(),
      slowMs: fc.constantFrom(0, 0, 8),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ op: 'restart_collector' as const }) },
  {
    weight: 6,
    arbitrary: fc.record({ op: fc.constant('pass' as const), ms: fc.constantFrom(200, 2_000, 8_000) }),
  },
)

/** One world: a desk, four nodes in two regions, and everything that was seen of each drain. */
export class World<F extends ScriptedFleet = ScriptedFleet> {
  readonly weather: Weather = { away: false, slowMs: 0, silent: false }
  readonly bench: DrainBench
  readonly ids: string[] = []
  readonly seen = new Map<string, { version: number; state: Drain['state'] }>()
  readonly aborted = new Map<string, number>()
  readonly broken: string[] = []

  readonly fleet: F
  /** Called when another process of the collector begins. */
  onRestart: () => void = () => undefined

  constructor(fleet: F) {
    this.fleet = fleet
    this.bench = new DrainBench({ speed: 200, fleet, wrap: inWeather(this.weather), tickMs: 2 })
    fleet.onDrain = (id) => this.#nobodyTakesAll(id)
  }

  /** Whatever chaos did, drains alone never have every node out of service. */
  #nobodyTakesAll(id: string): void {
    const out = NODES.filter((other) => {
      const { health, exited } = this.bench.fleet.get(other)
      return exited || health.drain.drainId !== null
    })
    if (out.length === NODES.length)
      this.broken.push(`draining ${id} left nothing that a drain has not taken`)
  }

  async look(): Promise<void> {
    const nodes = this.bench.desk.active().flatMap((drain) => drain.steps.map((step) => step.node))
    if (new Set(nodes).size !== nodes.length) this.broken.push(`a node is in two active drains: ${nodes}`)
    for (const id of this.ids) {
      const drain = await this.bench.desk.get(id).catch(() => null) // the store is away, and it is no longer in memory
      if (drain === null) continue
      const before = this.seen.get(id)
      if (before !== undefined && drain.version < before.version)
        this.broken.push(`version of ${id} fell from ${before.version} to ${drain.version}`)
      if (before?.version === drain.version && before.state !== drain.state)
        this.broken.push(`${id} became ${drain.state} without a new version`)
      const abort = this.aborted.get(id)
      if (abort !== undefined && drain.version >= abort && ['running', 'drained'].includes(drain.state))
        this.broken.push(`${id} is ${drain.state} although an abort was answered`)
      this.seen.set(id, { version: drain.version, state: drain.state })
    }
  }

  async #create(subject: string, mode: 'hold' | 'exit', startInMs: number | null): Promise<void> {
    const named = subject.includes('-') ? { node: subject } : { region: subject }
    const startAt =
      startInMs === null ? {} : { startAt: new Date(this.bench.now() + startInMs).toISOString() }
    await this.bench.desk
      .create({ ...named, reason: 'fuzz', confirm: subject, strategy: { mode, ...startAt } }, ana)
      .then(({ id }) => this.ids.push(id))
      .catch(expected)
  }

  async do(op: Op): Promise<void> {
    const { fleet, desk } = this.bench
    switch (op.op) {
      case 'create':
        return this.#create(op.subject, op.mode, op.startInMs)
      case 'create_both':
        await Promise.all([this.#create('fra', 'hold', null), this.#create('iad', 'hold', null)])
        return
      case 'act': {
        const id = this.ids[op.which % Math.max(1, this.ids.length)]
        const drain = id === undefined ? null : await desk.get(id).catch(() => null) // the store is away
        if (drain === null || id === undefined) return
        const version = op.stale ? Math.max(1, drain.version - 1) : drain.version
        await desk
          .act(id, op.action, { version, ...(op.action === 'abort' ? { end: op.end } : {}) }, root)
          .then((answer) => {
            if (op.action === 'abort') this.aborted.set(id, answer.version)
            else this.aborted.delete(id)
          })
          .catch(expected)
        return
      }
      case 'kill':
        return fleet.kill(op.node)
      case 'start':
        return fleet.start(op.node, { keepsWish: op.keepsWish })
      case 'lose':
        fleet.get(op.node).loseAnswers = op.count
        return
      case 'silence':
        fleet.get(op.node).silent = op.silent
        return
      case 'store':
        this.weather.away = op.away
        this.weather.slowMs = op.slowMs
        return
      case 'restart_collector':
        // What is only in memory does not outlive a restart; that is another promise.
        if (this.weather.away) return
        await this.bench.pass(1_500)
        await desk.close()
        this.onRestart()
        return this.bench.openDesk()
      case 'pass':
        return this.bench.pass(op.ms)
    }
  }

  /** The weather clears, machines are switched on again, and everything that was begun comes to its end. */
  async calmDown(): Promise<void> {
    this.weather.away = false
    this.weather.slowMs = 0
    for (const id of NODES) {
      const node = this.bench.fleet.get(id)
      node.silent = false
      node.loseAnswers = 0
      if (!node.answers) this.bench.fleet.start(id, { keepsWish: true })
    }
    const moving = (drain: Drain) => ['running', 'resuming', 'aborting'].includes(drain.state)
    await expect
      .poll(
        () =>
          this.bench.desk
            .active()
            .filter(moving)
            .map((drain) => [drain.state, drain.note]),
        {
          timeout: 10_000,
          interval: 5,
        },
      )
      .toEqual([])
  }

  /** After an end nothing is silently out of service. */
  async hidden(): Promise<string[]> {
    const { fleet, desk, store } = this.bench
    const found: string[] = []
    const told = new Set([
      ...desk.active().flatMap((drain) => drain.steps.map((step) => step.node)),
      ...desk.held().flatMap((part) => part.nodes),
    ])
    for (const id of NODES) {
      const { health, answers, exited } = fleet.get(id)
      if (exited && desk.absence(id) !== null) continue
      const serves = answers && health.state === 'serving' && health.relay?.cordoned !== true
      if (!serves && !told.has(id)) found.push(`${id} is ${health.state} and nobody says so`)
      const intent = fleet.nodes().find((node) => node.id === id)?.intent
      if (serves && !told.has(id) && intent !== 'serving')
        found.push(`${id} serves, but is wanted to ${intent}`)
    }
    for (const id of this.ids) {
      const stored = (await store.drain(id))?.drain
      const shown = await desk.get(id)
      if (stored?.version !== shown?.version || stored?.state !== shown?.state)
        found.push(`${id} is stored as ${stored?.state} and shown as ${shown?.state}`)
      if (stored && isActiveDrain(stored) && !desk.active().some((drain) => drain.id === id))
        found.push(`${id} is active, and nobody drives it`)
    }
    return found
  }
}

const ALLOWED = [
  'ERR_DRAIN_RUNNING',
  'ERR_DRAIN_BLOCKED',
  'ERR_VERSION_CONFLICT',
  'ERR_CONFLICT',
  'ERR_STORE_UNAVAILABLE',
  'ERR_STARTING',
]
const expected = (error: unknown): void => {
  if (!(error instanceof AppError && ALLOWED.includes(error.code))) throw error
}
