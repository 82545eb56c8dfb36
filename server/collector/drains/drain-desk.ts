import { ulid } from 'ulid'
import type { Actor } from '../../contract/access.ts'
import {
  type Drain,
  type DrainAction,
  type DrainActionRequest,
  type DrainCreateRequest,
  type DrainMove,
  type DrainPlan,
  type DrainPreviewRequest,
  type Strategy,
  strategySchema,
} from '../../contract/drains.ts'
import { AppError } from '../../contract/errors.ts'
import type { LivePublisher } from '../../contract/publisher.ts'
import { ACTIVE_DRAIN_STATES, type DrainState, roleAllows } from '../../contract/states.ts'
import type { Log } from '../../observe/log.ts'
import type { Store } from '../../store/store.ts'
import type { DrainDesk } from '../handle.ts'
import type { DrainFleet } from './drain-fleet.ts'
import { type DrainProgress, DrainRun } from './drain-run.ts'
import { planDrain } from './plan.ts'
import { receiverWorries } from './worries.ts'

export interface DrainDeskOptions {
  store: Store
  fleet: DrainFleet
  live: Pick<LivePublisher, 'changed'>
  log: Log
  now?: () => number
  tickMs?: number
}

/** The desk with the verbs of its own life. */
export interface RunningDrainDesk extends DrainDesk {
  /** Loads active drains and goes on with each. */
  start(): Promise<void>
  /** Stops driving; active drains go on at the next start. */
  close(): Promise<void>
  active(): Drain[]
}

/** From which states an operator's verb is possible, and where it leads. */
const VERBS: Record<DrainAction, { from: readonly DrainState[]; to: DrainState; says: string }> = {
  pause: { from: ['running'], to: 'paused', says: 'only a running drain can be paused' },
  continue: { from: ['paused'], to: 'running', says: 'only a paused drain can go on' },
  abort: {
    from: ['planned', 'running', 'paused', 'drained', 'aborting'],
    to: 'aborting',
    says: 'a drain that has ended cannot be aborted',
  },
  resume: {
    from: ['drained', 'resuming', 'aborted', 'failed'],
    to: 'resuming',
    says: 'only a drained region or node can be resumed',
  },
}

/** Where operators plan, start and steer drains. */
export const createDrainDesk = (options: DrainDeskOptions): RunningDrainDesk => {
  const { store, fleet, live, log } = options
  const now = options.now ?? Date.now
  const runs = new Map<string, DrainRun>()
  let unsubscribe: (() => void) | null = null

  const isActive = (run: DrainRun): boolean =>
    ACTIVE_DRAIN_STATES.includes(run.drain.state) && !isFinishedExit(run.drain)
  const isFinishedExit = (drain: Drain): boolean =>
    drain.state === 'drained' && drain.strategy.mode === 'exit'

  const activeOn = (nodes: readonly string[]): DrainRun | null => {
    for (const run of runs.values())
      if (isActive(run) && run.nodes.some((node) => nodes.includes(node))) return run
    return null
  }

  const resolve = (request: { region?: string | undefined; node?: string | undefined }) => {
    const nodes = fleet
      .nodes()
      .filter((node) =>
        request.node === undefined ? node.region === request.region : node.id === request.node,
      )
    if (nodes.length === 0) {
      const what = request.node === undefined ? `region ${request.region}` : `node ${request.node}`
      throw new AppError('ERR_NOT_FOUND', `There is no ${what} in this fleet`, {})
    }
    return { region: request.region ?? null, node: request.node ?? null, nodes }
  }

  const strategyOf = (given: Partial<Strategy> | undefined): Strategy => strategySchema.parse(given ?? {})

  const plan = (request: DrainPreviewRequest): DrainPlan => {
    const subject = resolve(request)
    const running = activeOn(subject.nodes.map((node) => node.id))
    const active = running === null ? null : { id: running.drain.id, since: running.drain.createdAt }
    return planDrain(fleet, subject, strategyOf(request.strategy), active, now())
  }

  const launch = (drain: Drain, progress: DrainProgress): DrainRun => {
    const run = new DrainRun(drain, progress, options)
    runs.set(drain.id, run)
    forgetOldRuns()
    run.start()
    return run
  }

  /** Ended drains live in the store; only a few stay in memory. */
  const forgetOldRuns = (): void => {
    for (const [id, run] of runs) if (runs.size > 50 && !isActive(run)) runs.delete(id)
  }

  const load = async (id: string): Promise<{ drain: Drain; run: DrainRun | null }> => {
    const run = runs.get(id)
    if (run !== undefined) return { drain: run.drain, run }
    const stored = await store.drain(id)
    if (stored === null) throw new AppError('ERR_NOT_FOUND', `There is no drain ${id}`, {})
    return { drain: stored.drain, run: null }
  }

  return {
    async start() {
      unsubscribe = fleet.onEvent((event) => {
        for (const run of runs.values()) run.observe(event)
      })
      const { items } = await store.drains({ active: true, limit: 1_000 })
      for (const stored of items) {
        if (isFinishedExit(stored.drain)) continue
        log.info({ drain: stored.drain.id, state: stored.drain.state }, 'an unfinished drain goes on')
        launch(stored.drain, stored.resume as unknown as DrainProgress)
      }
    },

    async close() {
      unsubscribe?.()
      await Promise.all([...runs.values()].map((run) => run.stop()))
    },

    active: () => [...runs.values()].filter(isActive).map((run) => run.drain),

    preview: async (request) => plan(request),

    async create(request: DrainCreateRequest, actor: Actor) {
      const subject = resolve(request)
      const id = request.region ?? request.node ?? ''
      if (request.confirm !== id) {
        throw new AppError('ERR_CONFIRM_MISMATCH', `Type ${id} to confirm; "${request.confirm}" was typed`, {
          expected: id,
        })
      }
      const strategy = strategyOf(request.strategy)
      const embedded = subject.nodes.find((node) => node.embedded)
      if (strategy.mode === 'exit' && embedded !== undefined) {
        throw new AppError(
          'ERR_UNSUPPORTED',
          `${embedded.id} is embedded in the collector and cannot exit alone; use mode hold`,
          {},
        )
      }
      const order = subject.nodes.map((node) => node.id)
      const running = activeOn(order)
      if (running !== null) {
        const { id: other, createdAt: since, createdBy: by } = running.drain
        throw new AppError(
          'ERR_DRAIN_RUNNING',
          `${id} has been draining since ${since} (${by}); end drain ${other} first`,
          { drain: other, since, by },
        )
      }
      const { blockers } = planDrain(fleet, subject, strategy, null, now())
      if (blockers.length > 0 && request.force !== true) {
        throw new AppError(
          'ERR_DRAIN_BLOCKED',
          `This drain is blocked: ${blockers.map((blocker) => blocker.message).join('; ')}`,
          { blockers },
        )
      }
      if (request.force === true && !roleAllows(actor.role, 'admin')) {
        throw new AppError('ERR_FORBIDDEN', 'Only an administrator may force a drain', { needed: 'admin' })
      }
      const at = new Date(now()).toISOString()
      const drain: Drain = {
        id: ulid(now()),
        ...(subject.region === null ? {} : { region: subject.region }),
        ...(subject.node === null ? {} : { node: subject.node }),
        reason: request.reason,
        strategy,
        state: 'planned',
        version: 1,
        createdAt: at,
        createdBy: actor.name,
        updatedAt: at,
        updatedBy: actor.name,
        note: null,
        steps: order.map((node) => ({
          node,
          phase: 'waiting',
          startedAt: null,
          endedAt: null,
          remaining: null,
        })),
        moves: movesAtStart(fleet, order),
      }
      const progress: DrainProgress = {
        order,
        end: 'serving',
        baselines: {},
        connections: { finished: 0, aborted: 0 },
        requestsFailed: 0,
        phases: [],
        notes: blockers.map((blocker) => `Forced although: ${blocker.message}`),
        // What the plan showed before the start is not news; only what goes wrong later pauses the drain.
        accepted: receiverWorries(fleet, order, subject.region).map(({ code }) => code),
      }
      await store.audit({
        at,
        actor: actor.name,
        address: actor.address,
        action: request.force === true ? 'drain.force' : 'drain.create',
        object: `drain:${drain.id}`,
        before: null,
        after: { region: subject.region, node: subject.node, strategy, blockers },
        reason: request.reason,
      })
      await store.createDrain({ drain, resume: { ...progress } })
      const where = { node: subject.node, region: subject.region }
      await fleet.record(
        'drain.planned',
        {
          drainId: drain.id,
          region: subject.region,
          node: subject.node,
          reason: request.reason,
          actor: actor.name,
        },
        where,
      )
      launch(drain, progress)
      live.changed('overview')
      return drain
    },

    async get(id) {
      try {
        return (await load(id)).drain
      } catch (error) {
        if (error instanceof AppError && error.code === 'ERR_NOT_FOUND') return null
        throw error
      }
    },

    async list(filter) {
      const page = await store.drains(filter)
      return {
        items: page.items.map((stored) => runs.get(stored.drain.id)?.drain ?? stored.drain),
        nextCursor: page.nextCursor,
      }
    },

    async act(id: string, action: DrainAction, request: DrainActionRequest, actor: Actor) {
      const { drain, run } = await load(id)
      if (request.version !== drain.version) {
        const { updatedBy: by, updatedAt: at, version } = drain
        throw new AppError(
          'ERR_VERSION_CONFLICT',
          `${by} changed this drain at ${at}; it is ${drain.state} now`,
          { by, at, version },
        )
      }
      const verb = VERBS[action]
      if (!verb.from.includes(drain.state)) {
        throw new AppError('ERR_CONFLICT', `This drain is ${drain.state}; ${verb.says}`, {
          state: drain.state,
        })
      }
      if (drain.state === 'drained' && drain.strategy.mode === 'exit') {
        throw new AppError(
          'ERR_CONFLICT',
          'The processes of this drain have exited; start them again instead',
          { state: drain.state },
        )
      }
      const nodes = drain.steps.map((step) => step.node)
      const other = activeOn(nodes)
      if (other !== null && other.drain.id !== id) {
        throw new AppError(
          'ERR_DRAIN_RUNNING',
          `Drain ${other.drain.id} is active here now; steer that one`,
          { drain: other.drain.id },
        )
      }
      await store.audit({
        at: new Date(now()).toISOString(),
        actor: actor.name,
        address: actor.address,
        action: `drain.${action}`,
        object: `drain:${id}`,
        before: { state: drain.state, version: drain.version },
        after: { state: verb.to, end: request.end ?? null },
        reason: null,
      })
      const driver = run !== null && isActive(run) ? run : await relaunch(id)
      const steered = await driver.transition(verb.to, actor.name, {
        expectedVersion: request.version,
        ...(request.end === undefined ? {} : { end: request.end }),
      })
      driver.start()
      return steered
    },
  }

  /** A drain that ended held is driven again. */
  async function relaunch(id: string): Promise<DrainRun> {
    const stored = await store.drain(id)
    if (stored === null) throw new AppError('ERR_NOT_FOUND', `There is no drain ${id}`, {})
    await runs.get(id)?.stop()
    const run = new DrainRun(stored.drain, stored.resume as unknown as DrainProgress, options)
    runs.set(id, run)
    return run
  }
}

const movesAtStart = (fleet: DrainFleet, order: readonly string[]): DrainMove[] =>
  fleet
    .tunnels()
    .filter((tunnel) => tunnel.state === 'registered' && order.includes(tunnel.node))
    .map((tunnel) => ({ hostId: tunnel.hostId, from: tunnel.node, to: null, gapMs: null, at: null }))
