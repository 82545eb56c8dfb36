import { ulid } from 'ulid'
import type { Actor } from '../../contract/access.ts'
import { DRAIN_VERBS, isActiveDrain, whyNot } from '../../contract/drain-rules.ts'
import {
  type Drain,
  type DrainAction,
  type DrainActionRequest,
  type DrainCreateRequest,
  type DrainPlan,
  type DrainPreviewRequest,
  type HeldPart,
  type Strategy,
  strategySchema,
} from '../../contract/drains.ts'
import { AppError } from '../../contract/errors.ts'
import type { Node } from '../../contract/fleet.ts'
import type { LivePublisher } from '../../contract/publisher.ts'
import { roleAllows } from '../../contract/states.ts'
import type { Log } from '../../observe/log.ts'
import type { Store, StoredDrain } from '../../store/store.ts'
import type { DrainDesk } from '../handle.ts'
import { type Absence, absenceIn } from './absences.ts'
import { type DrainClock, systemClock } from './drain-clock.ts'
import type { DrainFleet } from './drain-fleet.ts'
import { newProgress, progressOf } from './drain-progress.ts'
import { type AuditInput, DrainRecord, type EmergencyLog, within } from './drain-record.ts'
import { DrainRun } from './drain-run.ts'
import { heldParts } from './held.ts'
import { movesAtStart } from './moves.ts'
import { planDrain } from './plan.ts'
import { ServingFloor } from './serving-floor.ts'
import { moveWorries, receiverWorries } from './worries.ts'

export interface DrainDeskOptions extends Partial<DrainClock> {
  store: Store
  fleet: DrainFleet
  live: Pick<LivePublisher, 'changed'>
  log: Log
  tickMs?: number
  /** Where changes of drains are taken down while the store cannot be written. It puts them into the audit when the store is back. */
  emergency?: EmergencyLog | undefined
  /** A store that says nothing for so long is treated as one that says no. */
  storePatienceMs?: number
}

/** The desk with the verbs of its own life. */
export interface RunningDrainDesk extends DrainDesk {
  /** Loads unfinished drains and goes on with each; never rejects: what the store does not give now is asked for again. */
  start(): Promise<void>
  /** Stops driving; active drains go on at the next start. */
  close(): Promise<void>
  active(): Drain[]
  /** What is out of service because of a drain that ended or holds, oldest first. */
  held(): HeldPart[]
  /** Why a drain may have this node away; null where none has. */
  absence(node: string): Absence | null
  /** Drains that are driven, and how long ago (ms) the one that was longest without a tick had its last; null where none is driven. */
  progress(): { driven: number; longestWithoutTickMs: number | null }
}

/** Ended drains live in the store; only a few stay in memory. */
const MAX_ENDED_IN_MEMORY = 50
const LOAD_AGAIN_MS = 1_000
const STORE_PATIENCE_MS = 5_000
/** So many ended drains are looked through for one that still has nodes out of service. */
const MAX_ENDED_READ = 1_000

/** Where operators plan, start and steer drains. */
export const createDrainDesk = (options: DrainDeskOptions): RunningDrainDesk => {
  const { store, fleet, live, log } = options
  const clock: DrainClock = {
    now: options.now ?? systemClock.now,
    monotonic: options.monotonic ?? systemClock.monotonic,
  }
  const storePatienceMs = options.storePatienceMs ?? STORE_PATIENCE_MS
  const inTime = <T>(work: Promise<T>): Promise<T> => within(storePatienceMs, work)
  const runs = new Map<string, DrainRun>()
  const activeDrains = (): Drain[] => [...runs.values()].map((run) => run.drain).filter(isActiveDrain)
  const floor = new ServingFloor(fleet, activeDrains)
  let unsubscribe: (() => void) | null = null
  let closed = false
  /** The unfinished drains were asked for once; a store that is away does not keep anybody from draining. */
  let asked = false
  let again: NodeJS.Timeout | null = null

  const activeOn = (nodes: readonly string[], except: string | null = null): Drain | null =>
    activeDrains().find(
      (drain) => drain.id !== except && drain.steps.some((step) => nodes.includes(step.node)),
    ) ?? null

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

  const planOf = (subject: ReturnType<typeof resolve>, strategy: Strategy): DrainPlan => {
    const active = activeOn(subject.nodes.map((node) => node.id))
    const servers = new Set(floor.servers(null).map((node) => node.id))
    const running = active === null ? null : { id: active.id, since: active.createdAt }
    return planDrain(fleet, subject, strategy, { running, servers, now: clock.now() })
  }

  const runOf = (drain: Drain, resume: Record<string, unknown>, adopted: boolean): DrainRun => {
    const progress = progressOf(
      resume,
      drain.steps.map((step) => step.node),
    )
    const record = new DrainRecord(drain, progress, {
      store,
      live,
      log,
      clock,
      emergency: options.emergency,
      storePatienceMs,
      storedVersion: adopted ? drain.version : 0,
    })
    return new DrainRun(record, { fleet, store, floor, log, clock, adopted, tickMs: options.tickMs ?? 250 })
  }

  const keep = (run: DrainRun): void => {
    runs.set(run.drain.id, run)
    for (const [id, known] of runs)
      if (runs.size > MAX_ENDED_IN_MEMORY && !known.driven && known !== run) runs.delete(id)
  }

  const adopt = (stored: StoredDrain): void => {
    if (closed || runs.has(stored.drain.id)) return
    try {
      const run = runOf(stored.drain, stored.resume, true)
      if (!run.driven) return
      const other = isActiveDrain(stored.drain) ? activeOn(run.nodes) : null
      if (other !== null) {
        log.error(
          { drain: stored.drain.id, other: other.id },
          'an unfinished drain is not taken up: another one was begun there while the store was away',
        )
        return
      }
      log.info({ drain: stored.drain.id, state: stored.drain.state }, 'an unfinished drain goes on')
      keep(run)
      run.start()
    } catch (error) {
      // One record that cannot be used must not keep the others from going on.
      log.error({ drain: stored.drain.id, err: error }, 'an unfinished drain cannot be taken up')
    }
  }

  const load = async (): Promise<void> => {
    const { items } = await inTime(store.drains({ active: true, limit: 1_000 }))
    for (const stored of items) adopt(stored)
    // Ended drains that still have nodes out of service are found by what is wanted of the nodes.
    const unexplained = () =>
      fleet
        .nodes()
        .some(
          (node) => node.intent === 'drain' && ![...runs.values()].some((run) => run.nodes.includes(node.id)),
        )
    let cursor: string | undefined
    for (let read = 0; read < MAX_ENDED_READ && unexplained(); ) {
      const page = await inTime(
        store.drains({ active: false, limit: 100, ...(cursor === undefined ? {} : { cursor }) }),
      )
      for (const stored of page.items) adopt(stored)
      read += page.items.length
      if (page.nextCursor === null) return
      cursor = page.nextCursor
    }
  }

  const loadUntilItWorks = async (): Promise<void> => {
    if (closed) return
    try {
      await load()
    } catch (error) {
      log.warn({ err: error }, 'unfinished drains cannot be loaded yet; it is tried again')
      again = setTimeout(() => void loadUntilItWorks(), LOAD_AGAIN_MS)
    }
    asked = true
  }

  const find = async (id: string): Promise<DrainRun> => {
    const known = runs.get(id)
    if (known !== undefined) return known
    const stored = await inTime(store.drain(id))
    if (stored === null) throw new AppError('ERR_NOT_FOUND', `There is no drain ${id}`, {})
    return runs.get(id) ?? runOf(stored.drain, stored.resume, true)
  }

  const launch = async (
    subject: ReturnType<typeof resolve>,
    strategy: Strategy,
    request: DrainCreateRequest,
    actor: Actor,
  ): Promise<DrainRun> => {
    const order = subject.nodes.map((node) => node.id)
    const name = request.region ?? request.node ?? ''
    const other = activeOn(order)
    if (other !== null) {
      const { id: drain, createdAt: since, createdBy: by } = other
      throw new AppError(
        'ERR_DRAIN_RUNNING',
        `${name} has been draining since ${since} (${by}); end drain ${drain} first`,
        { drain, drainId: drain, since, by },
      )
    }
    const { blockers, phases } = planOf(subject, strategy)
    if (blockers.length > 0 && request.force !== true) {
      throw new AppError(
        'ERR_DRAIN_BLOCKED',
        `This drain is blocked: ${blockers.map((blocker) => blocker.message).join('; ')}`,
        { blockers },
      )
    }
    const drain = newDrain(subject, strategy, request, actor, clock.now())
    drain.moves = movesAtStart(fleet.tunnels(), new Set(order))
    drain.budget = phases
    const progress = newProgress(order, {
      forced: request.force === true,
      notes: blockers.map((blocker) => `Forced although: ${blocker.message}`),
      // What the plan showed before the start is not news; only what goes wrong later pauses the drain.
      accepted: [
        ...receiverWorries(fleet, order, subject.region),
        ...moveWorries(fleet, subject.region, []),
      ].map(({ code }) => code),
    })
    const run = runOf(drain, { ...progress }, false)
    const { region, node } = subject
    const action = request.force === true ? 'drain.force' : 'drain.create'
    await run.record.create([
      auditOf(actor, drain, action, clock.now(), null, { region, node, strategy, blockers }, request.reason),
    ])
    keep(run)
    return run
  }

  return {
    async start() {
      unsubscribe = fleet.onEvent((event) => {
        for (const run of runs.values()) run.observe(event)
      })
      await loadUntilItWorks()
    },

    async close() {
      closed = true
      if (again !== null) clearTimeout(again)
      unsubscribe?.()
      await Promise.all([...runs.values()].map((run) => run.stop()))
    },

    active: activeDrains,
    held: () =>
      heldParts(
        [...runs.values()].map((run) => run.drain),
        new Set(fleet.nodes().map((node) => node.id)),
      ),

    absence(node) {
      for (const run of runs.values()) {
        const absence = run.driven ? absenceIn(run.drain, node) : null
        if (absence !== null) return absence
      }
      return null
    },

    progress() {
      const ages = [...runs.values()].filter((run) => run.driven).map((run) => run.idleMs)
      return { driven: ages.length, longestWithoutTickMs: ages.length === 0 ? null : Math.max(...ages) }
    },

    preview: async (request: DrainPreviewRequest) => planOf(resolve(request), strategyOf(request.strategy)),

    async create(request: DrainCreateRequest, actor: Actor) {
      const subject = resolve(request)
      const id = request.region ?? request.node ?? ''
      if (request.confirm !== id) {
        throw new AppError('ERR_CONFIRM_MISMATCH', `Type ${id} to confirm; "${request.confirm}" was typed`, {
          expected: id,
        })
      }
      if (request.force === true && !roleAllows(actor.role, 'admin')) {
        throw new AppError('ERR_FORBIDDEN', 'Only an administrator may force a drain', { needed: 'admin' })
      }
      const strategy = strategyOf(request.strategy)
      refuseEmbeddedExit(subject.nodes, strategy)
      // Without the unfinished drains nobody can say what would still serve.
      if (!asked)
        throw new AppError('ERR_STARTING', 'Unfinished drains are still being loaded; try again in a moment')
      const run = await floor.decide(() => launch(subject, strategy, request, actor))
      const { drain } = run
      const { region, node } = subject
      run.start()
      live.changed('overview')
      const planned = { drainId: drain.id, region, node, reason: drain.reason, actor: actor.name }
      await fleet.record('drain.planned', planned, { node, region })
      return drain
    },

    async get(id) {
      return runs.get(id)?.drain ?? (await inTime(store.drain(id)))?.drain ?? null
    },

    async list(filter) {
      const wanted = (drain: Drain): boolean =>
        (filter.active === undefined || isActiveDrain(drain) === filter.active) &&
        (filter.region === undefined || drain.region === filter.region)
      const inMemory = (which: (run: DrainRun) => boolean): Drain[] =>
        [...runs.values()]
          .filter((run) => which(run) && wanted(run.drain))
          .map((run) => run.drain)
          .sort((a, b) => (a.id < b.id ? 1 : -1))
      const page = await inTime(store.drains(filter)).catch((error: unknown) => {
        if (!(error instanceof AppError && error.code === 'ERR_STORE_UNAVAILABLE')) throw error
        return null
      })
      // Better what is in memory than nothing: these are the ones that somebody may have to abort.
      if (page === null)
        return { items: inMemory(() => true).slice(0, filter.limit ?? 100), nextCursor: null }
      const listed = new Set(page.items.map((stored) => stored.drain.id))
      const items = page.items
        .map((stored) => runs.get(stored.drain.id)?.drain ?? stored.drain)
        .filter(wanted)
      // A store that can be read and not written does not know what was begun meanwhile.
      const unwritten =
        filter.cursor === undefined
          ? inMemory((run) => run.record.unwritten && !listed.has(run.drain.id))
          : []
      return { items: [...unwritten, ...items], nextCursor: page.nextCursor }
    },

    async act(id: string, action: DrainAction, request: DrainActionRequest, actor: Actor) {
      const run = await find(id)
      // Of two that were read from the store at the same time, the first that was steered is the one.
      const steer = () => steerRun(runs.get(id) ?? run, action, request, actor)
      // What makes a drain active again, or lets it take out more, is decided like a new one.
      return action === 'continue' || action === 'resume' ? floor.decide(steer) : steer()
    },
  }

  async function steerRun(
    run: DrainRun,
    action: DrainAction,
    request: DrainActionRequest,
    actor: Actor,
  ): Promise<Drain> {
    const { drain, record } = run
    const verb = DRAIN_VERBS[action]
    const outrunsTick = action === 'abort'
    record.check(request.version, { outrunsTick })
    const why = whyNot(drain, action)
    if (why !== null)
      throw new AppError('ERR_CONFLICT', `This drain is ${drain.state}; ${why}`, { state: drain.state })
    const other = activeOn(run.nodes, drain.id)
    if (other !== null) {
      throw new AppError('ERR_DRAIN_RUNNING', `Drain ${other.id} is active here now; steer that one`, {
        drain: other.id,
        drainId: other.id,
      })
    }
    const blocker =
      action === 'continue' && !record.progress.forced ? floor.refusal(run.nodes, drain.id) : null
    const takesMore = drain.steps.some((step) => step.phase === 'waiting')
    if (blocker !== null && takesMore) {
      throw new AppError('ERR_DRAIN_BLOCKED', `This drain is blocked: ${blocker.message}`, {
        blockers: [blocker],
      })
    }
    keep(run)
    const { state, version } = drain
    const after = { state: verb.to, end: request.end ?? null }
    return run.steer(verb.to, actor.name, {
      expectedVersion: request.version,
      outrunsTick,
      ...(request.end === undefined ? {} : { end: request.end }),
      audit: [auditOf(actor, drain, `drain.${action}`, clock.now(), { state, version }, after, null)],
    })
  }
}

const refuseEmbeddedExit = (nodes: readonly Node[], strategy: Strategy): void => {
  const embedded = nodes.find((node) => node.embedded)
  if (strategy.mode !== 'exit' || embedded === undefined) return
  throw new AppError(
    'ERR_UNSUPPORTED',
    `${embedded.id} is embedded in the collector and cannot exit alone; use mode hold`,
    {},
  )
}

const newDrain = (
  subject: { region: string | null; node: string | null; nodes: readonly Node[] },
  strategy: Strategy,
  request: DrainCreateRequest,
  actor: Actor,
  now: number,
): Drain => {
  const at = new Date(now).toISOString()
  return {
    id: ulid(now),
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
    steps: subject.nodes.map(({ id: node }) => ({
      node,
      phase: 'waiting',
      startedAt: null,
      endedAt: null,
      remaining: null,
    })),
    moves: [],
  }
}

const auditOf = (
  actor: Actor,
  drain: Drain,
  action: string,
  now: number,
  before: unknown,
  after: unknown,
  reason: string | null,
): AuditInput => ({
  at: new Date(now).toISOString(),
  actor: actor.name,
  address: actor.address,
  action,
  object: `drain:${drain.id}`,
  before,
  after,
  reason,
})
