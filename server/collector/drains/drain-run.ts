import type { Drain, DrainMove, DrainReport, DrainStep } from '../../contract/drains.ts'
import { AppError } from '../../contract/errors.ts'
import type { FleetEvent } from '../../contract/events.ts'
import { type Health, healthSchema } from '../../contract/health.ts'
import type { LivePublisher } from '../../contract/publisher.ts'
import type { DrainState } from '../../contract/states.ts'
import type { Log } from '../../observe/log.ts'
import type { Store } from '../../store/store.ts'
import type { DrainFleet } from './drain-fleet.ts'
import { gapStatistics } from './gaps.ts'
import { PROVING_SECONDS } from './plan.ts'
import { moveWorries, receiverWorries, type Worry } from './worries.ts'

/** What the orchestrator keeps beside the record so that it can go on after a restart. */
export interface DrainProgress {
  /** Nodes in the order in which they are drained. */
  order: string[]
  /** How the drain ends once it is aborted. */
  end: 'serving' | 'held'
  /** Counters of a node when its step began, to tell what finished and what was cut. */
  baselines: Record<string, Counters>
  connections: { finished: number; aborted: number }
  requestsFailed: number
  phases: DrainReport['phases']
  notes: string[]
  /** Codes of worries that stood when an operator let the drain go on: they do not pause it again. */
  accepted: string[]
}

interface Counters {
  epoch: string
  closed: number
  aborted: number
  failed: number
}

/** Since when a node has shown neither traffic nor a byte moved, for the proof of empty. */
interface Proof {
  since: number
  bytes: number
  epoch: string
}

export interface DrainRunOptions {
  store: Store
  fleet: DrainFleet
  live: Pick<LivePublisher, 'changed'>
  log: Log
  now?: () => number
  tickMs?: number
}

/** How long a tunnel may stay unregistered before the next node is drained all the same; it counts as missing until it returns. */
const MISSING_TUNNEL_WAIT_MS = 60_000
/** Receivers may be unknown for this long after a start of the collector before that pauses a drain. */
const RECEIVER_GRACE_MS = 20_000
/** Resuming or aborting gives up on a node after this long and says so. */
const RESUME_LIMIT_MS = 120_000
const CALL_TIMEOUT_MS = 3_000

/**
 * One drain, driven by ticks: each tick compares what is wanted with what the nodes say and does the next idempotent thing, so
 * that a tick after a crash does the same as a tick without one. Every change of state is durable before it acts.
 */
export class DrainRun {
  readonly #options: Required<DrainRunOptions>
  readonly #progress: DrainProgress
  readonly #cordoned = new Set<string>()
  readonly #proofs = new Map<string, Proof>()
  readonly #missingSince = new Map<string, number>()
  readonly #startedAt: number
  #drain: Drain
  #stateSince: number
  #timer: NodeJS.Timeout | null = null
  #ticking: Promise<void> | null = null
  #stopped = false
  #writes: Promise<unknown> = Promise.resolve()
  #saved = ''

  constructor(drain: Drain, progress: DrainProgress, options: DrainRunOptions) {
    this.#options = { now: Date.now, tickMs: 250, ...options }
    this.#drain = drain
    this.#progress = progress
    this.#startedAt = this.#options.now()
    this.#stateSince = this.#startedAt
  }

  get drain(): Drain {
    return this.#drain
  }

  /** Nodes that this drain holds away from service at the moment. */
  get heldNodes(): string[] {
    return this.#drain.steps.filter((step) => step.phase !== 'waiting').map((step) => step.node)
  }

  get nodes(): readonly string[] {
    return this.#progress.order
  }

  start(): void {
    if (this.#stopped || this.#timer !== null) return
    // A drain that waits for its hour changes nothing yet.
    if (this.#drain.state !== 'planned') this.#options.fleet.setIntent(this.#progress.order, 'drain')
    const loop = () => {
      this.#ticking = this.#tick()
        .catch((error: unknown) =>
          this.#options.log.warn(
            { drain: this.#drain.id, err: error },
            'a drain step failed and is tried again',
          ),
        )
        .finally(() => {
          this.#ticking = null
          if (!this.#stopped) this.#timer = setTimeout(loop, this.#options.tickMs)
        })
    }
    this.#timer = setTimeout(loop, 0)
  }

  /** Stops driving; the drain itself goes on when the next process loads it. */
  async stop(): Promise<void> {
    this.#stopped = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    await this.#ticking
    await this.#writes.catch(() => undefined)
  }

  /**
   * Changes the state durably, then acts. `expectedVersion` is what the operator saw: another one is `ERR_VERSION_CONFLICT`
   * with who changed it, when, and the version now.
   */
  async transition(
    to: DrainState,
    actor: string,
    options: { expectedVersion?: number; note?: string | null; end?: 'serving' | 'held' } = {},
  ): Promise<Drain> {
    return this.#exclusively(async () => {
      const { expectedVersion, note = null, end } = options
      if (expectedVersion !== undefined && expectedVersion !== this.#drain.version) throw this.#conflict()
      if (this.#drain.state === to) return this.#drain
      const from = this.#drain.state
      const ended = to === 'drained' || to === 'aborted' || to === 'failed'
      if (end !== undefined) this.#progress.end = end
      if (from === 'paused' && to === 'running')
        this.#progress.accepted = this.#worries().map(({ code }) => code)
      const next: Drain = {
        ...this.#drain,
        state: to,
        version: this.#drain.version + 1,
        updatedAt: new Date(this.#options.now()).toISOString(),
        updatedBy: actor,
        note,
        ...(ended ? { report: await this.#report() } : {}),
      }
      await this.#write(next, this.#drain.version)
      this.#stateSince = this.#options.now()
      await this.#recordTransition(from, to, actor, note)
      return next
    })
  }

  /** Takes notice of an event of the fleet; keeps the list of moves current. */
  observe(event: FleetEvent): void {
    if (event.type === 'tunnel.registered') this.#noticeRegistered(event)
    if (
      event.type === 'drain.completed' &&
      event.data.scope === 'node' &&
      event.data.drainId === this.#drain.id
    ) {
      this.#noticePhases(event)
    }
  }

  async #tick(): Promise<void> {
    switch (this.#drain.state) {
      case 'planned':
        return this.#tickPlanned()
      case 'running':
      case 'paused':
        return this.#tickRunning()
      case 'drained':
        return this.#tickDrained()
      case 'resuming':
        return this.#tickResuming('resumed')
      case 'aborting':
        return this.#tickResuming('aborted')
      default:
        this.#stopped = true
    }
  }

  async #tickPlanned(): Promise<void> {
    const startAt = this.#drain.strategy.startAt
    if (startAt !== undefined && Date.parse(startAt) > this.#options.now()) return
    await this.transition('running', this.#drain.createdBy)
    this.#options.fleet.setIntent(this.#progress.order, 'drain')
  }

  async #tickRunning(): Promise<void> {
    await this.#cordonAll()
    this.#rebuildMoves()
    for (const step of this.#drain.steps) {
      if (step.phase === 'waiting') {
        // What is left in all must not forget the nodes whose turn has not come.
        const document = this.#options.fleet.health(step.node)?.document
        this.#updateStep(step.node, { remaining: document?.drain.remaining ?? null })
      } else if (step.phase !== 'done') {
        await this.#advance(step)
      }
    }
    if (this.#drain.state === 'running') {
      const worry = this.#worry()
      if (worry !== null) {
        await this.transition('paused', 'tidegate', { note: `Paused by itself: ${worry}` })
      } else {
        await this.#startNext()
      }
    }
    if (this.#drain.steps.every((step) => step.phase === 'done') && this.#drain.state === 'running') {
      await this.transition('drained', 'tidegate')
      return
    }
    await this.#saveProgress()
  }

  /** While held, nodes that came back serving (a restart that lost its wish) are asked to drain again. */
  async #tickDrained(): Promise<void> {
    if (this.#drain.strategy.mode === 'exit') {
      this.#stopped = true
      return
    }
    if (Math.floor((this.#options.now() - this.#stateSince) / this.#options.tickMs) % 20 !== 0) return
    for (const node of this.#progress.order) {
      const document = this.#options.fleet.health(node)?.document
      if (document?.state === 'serving' && document.drain.drainId !== this.#drain.id)
        await this.#askToDrain(node)
    }
  }

  /** Brings nodes back and believes it when their readiness says so. */
  async #tickResuming(to: 'resumed' | 'aborted'): Promise<void> {
    const held = to === 'aborted' && this.#progress.end === 'held'
    const problems: string[] = []
    for (const node of this.#progress.order) {
      const step = this.#drain.steps.find((candidate) => candidate.node === node)
      const stays = held && step !== undefined && step.phase !== 'waiting'
      if (stays) continue
      const problem = await this.#bringBack(node)
      if (problem === null) this.#options.fleet.setIntent([node], 'serving')
      else problems.push(problem)
    }
    if (problems.length === 0) {
      await this.transition(to, this.#drain.updatedBy, {
        note: held ? 'Ended held: drained nodes stay out of service until they are resumed' : null,
      })
      this.#stopped = true
    } else if (this.#options.now() - this.#stateSince > RESUME_LIMIT_MS) {
      const note = `Could not bring back everything: ${problems.join('; ')}`
      await this.transition(to === 'resumed' ? 'drained' : 'failed', 'tidegate', { note })
    } else if (this.#drain.note !== problems.join('; ')) {
      this.#drain = { ...this.#drain, note: problems.join('; ') }
      await this.#saveProgress()
    }
  }

  /** Asks one node to serve again; null once it is ready, else why not yet. */
  async #bringBack(node: string): Promise<string | null> {
    try {
      const document = await this.#readHealth(node)
      if (document?.state === 'serving' && document.relay?.cordoned !== true) {
        const { status } = await this.#call(node, 'GET', '/healthz/ready')
        return status === 200 ? null : `${node} is serving but not ready yet`
      }
      const answer = await this.#call(node, 'POST', '/resume', {}, 10_000)
      if (answer.status === 200) return `${node} is coming back`
      return `${node} refuses to resume: ${messageOf(answer.body)}`
    } catch (error) {
      return error instanceof Error ? error.message : `${node} does not answer`
    }
  }

  /** No host may move twice: all nodes of the region refuse new tunnels from the start. */
  async #cordonAll(): Promise<void> {
    for (const node of this.#progress.order) {
      const document = this.#options.fleet.health(node)?.document
      // A node that restarted has forgotten nothing durable, but one that lost its folder must be told again.
      const key = `${node} ${document?.epoch ?? ''}`
      if (this.#cordoned.has(key)) continue
      try {
        const { status } = await this.#call(node, 'POST', '/cordon', {
          drainId: this.#drain.id,
          reason: this.#drain.reason,
        })
        if (status < 300 || status === 409 || status === 404) this.#cordoned.add(key)
      } catch {
        // It does not answer; the next tick asks again, and #advance says so on the page.
      }
    }
  }

  async #startNext(): Promise<void> {
    const open = this.#drain.steps.filter((step) => step.phase !== 'waiting' && step.phase !== 'done').length
    const next = this.#drain.steps.find((step) => step.phase === 'waiting')
    if (next === undefined || open >= this.#drain.strategy.maxUnavailable) return
    const document = await this.#readHealth(next.node)
    // An operator may have paused or aborted while the node was asked.
    if (this.#drain.state !== 'running') return
    if (document !== null) this.#progress.baselines[next.node] = countersOf(document)
    this.#updateStep(next.node, {
      phase: 'pre_drain',
      startedAt: new Date(this.#options.now()).toISOString(),
    })
    await this.#saveProgress()
    await this.#askToDrain(next.node)
  }

  async #askToDrain(node: string): Promise<void> {
    const { strategy } = this.#drain
    const answer = await this.#call(node, 'POST', '/drain', {
      drainId: this.#drain.id,
      reason: this.#drain.reason,
      mode: strategy.mode,
      deadlineSeconds: strategy.deadlineSeconds,
      onDeadline: strategy.onDeadline,
      ...(strategy.tunnelsPerSecond === undefined ? {} : { tunnelsPerSecond: strategy.tunnelsPerSecond }),
      initiator: this.#drain.createdBy,
    })
    if (answer.status >= 300) this.#setNote(`${node} refuses to drain: ${messageOf(answer.body)}`)
  }

  /** One step of one node: reads what it says, shows it, and proves it empty. */
  async #advance(step: DrainStep): Promise<void> {
    const document = await this.#readHealth(step.node)
    if (document === null) {
      if (this.#drain.strategy.mode === 'exit' && step.phase !== 'pre_drain') {
        this.#finishStep(step.node, null)
      } else {
        this.#updateStep(step.node, { remaining: null })
        this.#setNote(`${step.node} does not answer; the drain waits for it`)
      }
      return
    }
    if (document.state === 'serving' && document.drain.drainId !== this.#drain.id) {
      if (this.#drain.strategy.onDeadline === 'resume' && step.phase !== 'pre_drain') {
        const note = `${step.node} reached its deadline and serves again`
        // The state's note gives way to the next one; the report keeps it.
        this.#progress.notes.push(note)
        await this.transition('aborting', 'tidegate', { note, end: 'serving' })
        return
      }
      await this.#askToDrain(step.node)
      return
    }
    this.#setNote(null)
    const remaining = document.drain.remaining
    if (document.state !== 'drained') {
      const phase = document.drain.phase
      this.#updateStep(step.node, { remaining, ...(phase === null || phase === 'cleanup' ? {} : { phase }) })
      return
    }
    this.#updateStep(step.node, { phase: 'proving', remaining })
    if (this.#isProvenEmpty(step.node, document) && this.#tunnelsHaveMoved(step.node))
      this.#finishStep(step.node, document)
  }

  /** Empty is proved by observation: nothing open and no byte moved for five seconds, within one run of the node. */
  #isProvenEmpty(node: string, document: Health): boolean {
    const { connections, requests, tunnels } = document.drain.remaining
    const bytes = (document.proxy?.bytes.upstream ?? 0) + (document.proxy?.bytes.downstream ?? 0)
    const now = this.#options.now()
    const proof = this.#proofs.get(node)
    const quiet = connections === 0 && requests === 0 && tunnels === 0
    if (!quiet || proof === undefined || proof.bytes !== bytes || proof.epoch !== document.epoch) {
      this.#proofs.set(node, { since: now, bytes, epoch: document.epoch })
      return false
    }
    return now - proof.since >= PROVING_SECONDS * 1_000
  }

  #tunnelsHaveMoved(node: string): boolean {
    const missing = this.#drain.moves.filter((move) => move.from === node && move.to === null)
    if (missing.length === 0) return true
    const since = this.#missingSince.get(node) ?? this.#options.now()
    this.#missingSince.set(node, since)
    this.#setNote(
      `Waiting for ${missing.length} of ${node}'s tunnels to register elsewhere: ${names(missing)}`,
    )
    if (this.#options.now() - since < MISSING_TUNNEL_WAIT_MS) return false
    this.#progress.notes.push(
      `${missing.length} of ${node}'s tunnels did not register elsewhere within ${MISSING_TUNNEL_WAIT_MS / 1_000} s: ${names(missing)}`,
    )
    return true
  }

  #finishStep(node: string, document: Health | null): void {
    const baseline = this.#progress.baselines[node]
    if (baseline !== undefined && document !== null && baseline.epoch === document.epoch) {
      const now = countersOf(document)
      this.#progress.connections.aborted += now.aborted - baseline.aborted
      this.#progress.connections.finished += now.closed - baseline.closed - (now.aborted - baseline.aborted)
      this.#progress.requestsFailed += now.failed - baseline.failed
    } else {
      this.#progress.notes.push(`${node} restarted during the drain, so what finished there was not counted`)
    }
    this.#updateStep(node, { phase: 'done', endedAt: new Date(this.#options.now()).toISOString() })
  }

  /** Why the drain should not go on by itself; null where all is well, or an operator accepted what is not. */
  #worry(): string | null {
    const worries = this.#worries()
    // What is over is worth a pause when it comes again.
    if (this.#knowsReceivers()) {
      const codes = worries.map(({ code }) => code)
      this.#progress.accepted = this.#progress.accepted.filter((code) => codes.includes(code))
    }
    return worries.find(({ code }) => !this.#progress.accepted.includes(code))?.sentence ?? null
  }

  #worries(): Worry[] {
    const region = this.#drain.region ?? null
    const { fleet } = this.#options
    return [
      ...(this.#knowsReceivers() ? receiverWorries(fleet, this.#progress.order, region) : []),
      ...moveWorries(fleet, region, this.#drain.moves),
    ]
  }

  /** Just after a start of the collector nothing is known of the receivers, which is no reason to pause. */
  #knowsReceivers(): boolean {
    return this.#options.now() - this.#startedAt > RECEIVER_GRACE_MS
  }

  /** Adds tunnels that appeared on a leaving node after the plan, and notices hosts that the fleet already sees elsewhere. */
  #rebuildMoves(): void {
    const leaving = new Set(this.#progress.order)
    const byHost = new Map(this.#drain.moves.map((move) => [move.hostId, move]))
    let changed = false
    for (const tunnel of this.#options.fleet.tunnels()) {
      const known = byHost.get(tunnel.hostId)
      if (tunnel.state !== 'registered') continue
      if (leaving.has(tunnel.node)) {
        if (known === undefined) {
          byHost.set(tunnel.hostId, {
            hostId: tunnel.hostId,
            from: tunnel.node,
            to: null,
            gapMs: null,
            at: null,
          })
          changed = true
        }
      } else if (known !== undefined && known.to === null) {
        byHost.set(tunnel.hostId, { ...known, to: tunnel.node, gapMs: tunnel.lastGapMs, at: tunnel.since })
        changed = true
      }
    }
    if (changed) this.#drain = { ...this.#drain, moves: [...byHost.values()] }
  }

  #noticeRegistered(event: FleetEvent): void {
    const hostId = event.data.hostId
    const { gapMs } = event.data
    const { node } = event
    if (typeof hostId !== 'string' || node === null || this.#progress.order.includes(node)) return
    if (!['running', 'paused', 'aborting'].includes(this.#drain.state)) return
    const index = this.#drain.moves.findIndex((move) => move.hostId === hostId && move.gapMs === null)
    const known = this.#drain.moves[index]
    if (known === undefined) return
    const moves: DrainMove[] = [...this.#drain.moves]
    moves[index] = { ...known, to: node, gapMs: typeof gapMs === 'number' ? gapMs : null, at: event.at }
    this.#drain = { ...this.#drain, moves }
    this.#options.live.changed(`drain:${this.#drain.id}`)
  }

  #noticePhases(event: FleetEvent): void {
    const { node } = event
    const { phases } = event.data
    if (node === null || !Array.isArray(phases) || this.#progress.phases.some((entry) => entry.node === node))
      return
    for (const entry of phases as DrainReport['phases']) {
      this.#progress.phases.push({
        node,
        phase: entry.phase,
        actualMs: entry.actualMs,
        budgetMs: entry.budgetMs,
      })
    }
  }

  async #report(): Promise<DrainReport> {
    await this.#collectMissedEvents()
    this.#rebuildMoves()
    const unmeasured = this.#drain.moves.filter((move) => move.to !== null && move.gapMs === null).length
    const notes = [...this.#progress.notes]
    if (unmeasured > 0)
      notes.push(
        `${unmeasured} tunnels moved, but their gap could not be measured because the host or a node restarted`,
      )
    return {
      gaps: gapStatistics(this.#drain.moves),
      connections: this.#progress.connections,
      requestsFailed: this.#progress.requestsFailed,
      phases: this.#progress.phases,
      moves: this.#drain.moves,
      durationMs: this.#options.now() - Date.parse(this.#drain.createdAt),
      notes,
    }
  }

  /** What happened while no collector listened is in the store: the streams resume, so it is read from there once more. */
  async #collectMissedEvents(): Promise<void> {
    try {
      const { items } = await this.#options.store.events({
        from: this.#drain.createdAt,
        types: ['tunnel.registered', 'drain.completed'],
        order: 'asc',
        limit: 1_000,
      })
      for (const event of items) this.observe(event)
    } catch (error) {
      this.#options.log.warn(
        { drain: this.#drain.id, err: error },
        'the events of the drain could not be read for its report',
      )
    }
  }

  async #readHealth(node: string): Promise<Health | null> {
    try {
      const { status, body } = await this.#call(node, 'GET', '/health')
      const parsed = healthSchema.safeParse(body)
      return status === 200 && parsed.success ? parsed.data : null
    } catch {
      return null // unreachable is an answer here: the caller says what it means for its step
    }
  }

  #call(node: string, method: string, path: string, body?: unknown, timeoutMs = CALL_TIMEOUT_MS) {
    return this.#options.fleet.call(node, method, path, body, { timeoutMs })
  }

  #updateStep(node: string, change: Partial<DrainStep>): void {
    const steps = this.#drain.steps.map((step) => (step.node === node ? { ...step, ...change } : step))
    this.#drain = { ...this.#drain, steps }
  }

  #setNote(note: string | null): void {
    if (this.#drain.state === 'running' && this.#drain.note !== note) this.#drain = { ...this.#drain, note }
  }

  async #recordTransition(
    from: DrainState,
    to: DrainState,
    actor: string,
    note: string | null,
  ): Promise<void> {
    const { fleet } = this.#options
    const where = { node: this.#drain.node ?? null, region: this.#drain.region ?? null }
    const common = { drainId: this.#drain.id, scope: 'drain' as const }
    await fleet.record('drain.phase_changed', { ...common, from, to }, where)
    if (from === 'planned' && to === 'running') {
      await fleet.record(
        'drain.started',
        {
          ...common,
          reason: this.#drain.reason,
          initiator: this.#drain.createdBy,
          mode: this.#drain.strategy.mode,
        },
        where,
      )
    } else if (to === 'drained') {
      const phases = this.#progress.phases.map(({ phase, actualMs, budgetMs }) => ({
        phase,
        actualMs,
        budgetMs,
      }))
      await fleet.record(
        'drain.completed',
        { ...common, warnings: this.#drain.report?.notes ?? [], phases },
        where,
      )
    } else if (to === 'aborted') {
      await fleet.record(
        'drain.aborted',
        { ...common, reason: note ?? `by ${actor}`, end: this.#progress.end },
        where,
      )
    } else if (to === 'resumed') {
      await fleet.record('drain.resumed', { drainId: this.#drain.id, actor }, where)
    }
  }

  /** Saves what the page shows, without a new version; skipped where nothing changed. */
  async #saveProgress(): Promise<void> {
    await this.#exclusively(async () => {
      if (JSON.stringify([this.#drain, this.#progress]) !== this.#saved)
        await this.#write(this.#drain, this.#drain.version)
    })
  }

  async #write(next: Drain, expectedVersion: number): Promise<void> {
    await this.#options.store.saveDrain({ drain: next, resume: { ...this.#progress } }, expectedVersion)
    this.#drain = next
    this.#saved = JSON.stringify([this.#drain, this.#progress])
    this.#options.live.changed(`drain:${next.id}`)
    this.#options.live.changed('overview')
  }

  /** One writer at a time: an operator's verb and a tick never interleave between reading the version and writing it. */
  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#writes.then(work, work)
    this.#writes = run.catch(() => undefined)
    return run
  }

  #conflict(): AppError {
    const { updatedBy: by, updatedAt: at, version, state } = this.#drain
    return new AppError('ERR_VERSION_CONFLICT', `${by} changed this drain at ${at}; it is ${state} now`, {
      by,
      at,
      version,
    })
  }
}

const countersOf = (document: Health): Counters => ({
  epoch: document.epoch,
  closed: document.proxy?.connections.closed ?? 0,
  aborted: document.proxy?.closedBy.drain_deadline ?? 0,
  failed: (document.proxy?.requests.byStatus['5xx'] ?? 0) + (document.relay?.requests.byStatus['5xx'] ?? 0),
})

const names = (moves: readonly DrainMove[]): string => {
  const shown = moves.slice(0, 5).map((move) => move.hostId)
  return moves.length > shown.length
    ? `${shown.join(', ')} and ${moves.length - shown.length} more`
    : shown.join(', ')
}

const messageOf = (body: unknown): string => {
  const error = typeof body === 'object' && body !== null && 'error' in body ? body.error : null
  return typeof error === 'object' && error !== null && 'message' in error
    ? String(error.message).slice(0, 300)
    : 'it gave no reason'
}
