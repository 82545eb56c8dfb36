import { isActiveDrain, nodesOut } from '../../contract/drain-rules.ts'
import type { Drain, DrainStep } from '../../contract/drains.ts'
import { AppError } from '../../contract/errors.ts'
import type { FleetEvent } from '../../contract/events.ts'
import type { Health } from '../../contract/health.ts'
import type { DrainState } from '../../contract/states.ts'
import { listWords } from '../../contract/words.ts'
import type { Log } from '../../observe/log.ts'
import type { Store } from '../../store/store.ts'
import type { DrainClock } from './drain-clock.ts'
import type { DrainFleet } from './drain-fleet.ts'
import { type DrainRecord, type Transition, within } from './drain-record.ts'
import { countStep, notePhases, reportOf } from './drain-report.ts'
import { recordTransition } from './drain-story.ts'
import { DrainedNodes } from './drained-nodes.ts'
import { noteLost } from './lost-requests.ts'
import { eventsOfDrain } from './missed-events.ts'
import { followMoves, namesOf, noticeRegistered } from './moves.ts'
import type { ServingFloor } from './serving-floor.ts'
import { countersOf } from './step-counters.ts'
import { moveWorries, receiverWorries, type Worry } from './worries.ts'

export interface DrainRunOptions {
  fleet: DrainFleet
  store: Pick<Store, 'events'>
  floor: ServingFloor
  log: Log
  clock: DrainClock
  tickMs: number
  /** Taken up after a start of the collector: at first nothing is known of the fleet. */
  adopted: boolean
}

/** How long a tunnel may stay unregistered before the next node is drained all the same; it counts as missing until it returns. */
const MISSING_TUNNEL_WAIT_MS = 60_000
/** Receivers may be unknown for so long after a start or a stall of the collector: nothing new begins, and nothing pauses. */
const RECEIVER_GRACE_MS = 20_000
/** Resuming or aborting gives up on a node after this long and says so. */
const RESUME_LIMIT_MS = 120_000
/** What is held is looked at so often. */
const HELD_LOOK_MS = 2_000
/** A stop waits so long for a call that is under way. */
const STOP_MS = 3_000

/**
 * One drain, driven by ticks: each tick compares what is wanted with what the nodes say and does the next idempotent thing, so
 * that a tick after a crash does the same as a tick without one. Every change of state is durable before it acts, and a tick
 * changes only the version that it saw: an operator's verb always wins over it.
 */
export class DrainRun {
  readonly record: DrainRecord
  readonly #options: DrainRunOptions
  readonly #nodes: DrainedNodes
  readonly #missingSince = new Map<string, number>()
  readonly #startedAt: number
  readonly #wallAtStart: number
  #stateSince: number
  /** Since when no receiver is known; null while one is. */
  #blindSince: number | null = null
  #knowsReceivers: boolean
  #followAgainAt = 0
  #lookedAt = Number.NEGATIVE_INFINITY
  #timer: NodeJS.Timeout | null = null
  #ticking: Promise<void> | null = null
  #closed = false
  #missedEventsRead: boolean
  #story: Promise<unknown> = Promise.resolve()
  /** What this tick has to say; the first remark becomes the note. */
  #remarks: string[] = []
  /** When this drain last went on: a tick ended, or a node answered or did not (monotonic ms). */
  #beatAt: number

  constructor(record: DrainRecord, options: DrainRunOptions) {
    this.record = record
    this.#options = options
    const { fleet, floor, clock } = options
    this.#nodes = new DrainedNodes(record, fleet, floor, clock, () => this.#beat())
    this.#startedAt = clock.monotonic()
    this.#beatAt = this.#startedAt
    this.#wallAtStart = clock.now()
    this.#stateSince = this.#startedAt
    this.#missedEventsRead = !options.adopted
    this.#knowsReceivers = !options.adopted
  }

  get drain(): Drain {
    return this.record.drain
  }

  get nodes(): readonly string[] {
    return this.record.progress.order
  }

  /** True while ticks come: also after its end, for as long as nodes are out of service because of it, or it is not yet written. */
  get driven(): boolean {
    if (this.#closed) return false
    return isActiveDrain(this.drain) || this.#nodes.keepsNodesAway() || this.record.unwritten
  }

  /** Milliseconds since it last went on; more than some seconds means that it hangs. */
  get idleMs(): number {
    return this.#options.clock.monotonic() - this.#beatAt
  }

  #beat(): void {
    this.#beatAt = this.#options.clock.monotonic()
  }

  /** Drives on. Calling it twice is harmless. */
  start(): void {
    if (this.#closed || this.#timer !== null || this.#ticking !== null) return
    // A drain that waits for its hour changes nothing yet.
    if (isActiveDrain(this.drain) && this.drain.state !== 'planned' && this.drain.state !== 'resuming')
      this.#options.fleet.setIntent(this.#nodes.away(), 'drain')
    const loop = () => {
      this.#timer = null
      this.#ticking = this.#tick()
        .catch((error: unknown) => {
          if (isConflict(error)) return // An operator was faster; the next tick sees what is wanted now.
          this.#options.log.warn(
            { drain: this.drain.id, err: error },
            'a drain step failed and is tried again',
          )
        })
        .finally(() => {
          this.#ticking = null
          this.#beat()
          if (this.driven) this.#timer = setTimeout(loop, this.#options.tickMs)
        })
    }
    this.#timer = setTimeout(loop, 0)
  }

  /** Stops driving; the drain itself goes on when the next process loads it. */
  async stop(): Promise<void> {
    this.#closed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    const rest = async () => {
      await this.#ticking
      await this.record.save({ atOnce: true })
      await this.record.settled()
      await this.#story
    }
    await within(STOP_MS, rest()).catch((error: unknown) =>
      this.#options.log.warn(
        { drain: this.drain.id, err: error },
        'a drain was left in the middle of a step',
      ),
    )
  }

  /** An operator's verb. */
  async steer(to: DrainState, by: string, options: Omit<Transition, 'report'>): Promise<Drain> {
    const goesOn = this.drain.state === 'paused' && to === 'running'
    const progress = goesOn ? { begun: true, accepted: this.#worries().map(({ code }) => code) } : {}
    const drain = await this.#transition(to, by, { ...options, progress })
    if (goesOn) this.#options.fleet.setIntent(this.#nodes.away(), 'drain')
    this.start()
    return drain
  }

  /** Takes notice of an event of the fleet; keeps the list of moves current. */
  observe(event: FleetEvent): void {
    if (event.type === 'tunnel.registered') {
      if (!['running', 'paused', 'aborting'].includes(this.drain.state)) return
      this.#setMoves(noticeRegistered(this.drain.moves, event, this.#nodes.leaving()))
    }
    if (
      event.type === 'drain.completed' &&
      event.data.scope === 'node' &&
      event.data.drainId === this.drain.id
    ) {
      if (notePhases(this.record.progress, event, this.drain.budget ?? [])) this.record.touch()
    }
  }

  async #tick(): Promise<void> {
    const seen = this.drain.version
    this.#remarks = []
    this.#nodes.lookAnew()
    this.#knowsReceivers = this.#lookAtReceivers()
    switch (this.drain.state) {
      case 'planned':
        return this.#tickPlanned(seen)
      case 'running':
      case 'paused':
        return this.#tickRunning(seen)
      case 'resuming':
        return this.#tickResuming(seen, 'resumed')
      case 'aborting':
        return this.#tickResuming(seen, 'aborted')
      default:
        return this.#tickHeld()
    }
  }

  async #tickPlanned(seen: number): Promise<void> {
    const { floor, clock } = this.#options
    const { strategy, createdBy, id } = this.drain
    if (strategy.startAt !== undefined && Date.parse(strategy.startAt) > clock.now())
      return this.record.save()
    // What was true when it was planned may not be true now, and another one may begin in this very moment.
    await floor.decide(async () => {
      const blocked = this.record.progress.forced ? null : floor.refusal(this.nodes, id)
      if (blocked !== null && strategy.startAt !== undefined) {
        const note = `Not begun at its hour: nothing would serve (${blocked.message}). Continue or abort it`
        await this.#transition('paused', 'tidegate', { expectedVersion: seen, note })
        return
      }
      await this.#transition('running', createdBy, { expectedVersion: seen, progress: { begun: true } })
      this.#options.fleet.setIntent(this.nodes, 'drain')
    })
  }

  async #tickRunning(seen: number): Promise<void> {
    if (!this.record.progress.begun) return this.record.save()
    await this.#nodes.cordonAll()
    this.#follow()
    await Promise.all(this.drain.steps.map((step) => this.#advance(step, seen)))
    await this.#nodes.askHeldAgain()
    if (this.#isStill(seen, 'running')) await this.#goOn(seen)
    if (this.#isStill(seen, 'running') || this.#isStill(seen, 'paused')) {
      if (this.drain.state === 'running') this.record.note(this.#remarks[0] ?? null)
      await this.record.save()
    }
  }

  async #goOn(seen: number): Promise<void> {
    if (this.drain.steps.every((step) => step.phase === 'done')) {
      await this.#readMissedEvents()
      if (this.#isStill(seen, 'running'))
        await this.#transition('drained', 'tidegate', { expectedVersion: seen })
      return
    }
    const worry = this.#worry()
    if (worry !== null) {
      const note = `Paused by itself: ${worry}`
      await this.#transition('paused', 'tidegate', { expectedVersion: seen, note })
      return
    }
    await this.#startNext(seen)
  }

  /**
   * Nothing moves any more, but nodes are out of service: a reboot is told, one that came back without its wish is asked again, and
   * one that serves again after the drain has ended is given back.
   */
  async #tickHeld(): Promise<void> {
    const { clock } = this.#options
    if (clock.monotonic() - this.#lookedAt < HELD_LOOK_MS) return this.record.save()
    this.#lookedAt = clock.monotonic()
    if (isActiveDrain(this.drain)) await this.#nodes.askHeldAgain()
    else await this.#nodes.noticeReturns()
    if (nodesOut(this.drain).length > 0 && this.drain.state !== 'failed')
      this.record.note(this.#nodes.awayNote())
    await this.record.save()
  }

  /** Brings nodes back and believes it when their readiness says so. What serves is left serving, whatever becomes of the others. */
  async #tickResuming(seen: number, to: 'resumed' | 'aborted'): Promise<void> {
    const { fleet, clock } = this.#options
    const held = to === 'aborted' && this.record.progress.end === 'held'
    const problems = (
      await Promise.all(this.drain.steps.map((step) => this.#nodes.giveBack(step, held)))
    ).filter((problem) => problem !== null)
    if (!this.#isStill(seen, this.drain.state)) return
    if (problems.length === 0) {
      await this.#readMissedEvents()
      const note = held ? 'Ended held: drained nodes stay out of service until they are resumed' : null
      await this.#transition(to, this.drain.updatedBy, { expectedVersion: seen, note })
      await this.record.save({ atOnce: true })
    } else if (clock.monotonic() - this.#stateSince > RESUME_LIMIT_MS) {
      for (const { node } of problems) this.#nodes.endStep(node, 'out')
      const serving = this.drain.steps.filter(
        ({ outcome }) => outcome === 'back' || outcome === 'kept_serving',
      )
      const rest =
        serving.length === 0
          ? ''
          : `. ${listWords(serving.map(({ node }) => node))} ${serving.length === 1 ? 'serves' : 'serve'}`
      const out = listWords(problems.map(({ node }) => node))
      const note = `Still out of service: ${out} (${problems.map(({ why }) => why).join('; ')})${rest}. Resume tries again`
      fleet.setIntent(
        problems.map(({ node }) => node),
        'drain',
      )
      await this.#transition('failed', 'tidegate', { expectedVersion: seen, note })
    } else {
      this.record.note(problems.map(({ why }) => why).join('; '))
      await this.record.save()
    }
  }

  async #startNext(seen: number): Promise<void> {
    const { steps, strategy, id } = this.drain
    const { floor, clock } = this.#options
    const open = steps.filter((step) => step.phase !== 'waiting' && step.phase !== 'done').length
    const next = steps.find((step) => step.phase === 'waiting')
    if (next === undefined || open >= strategy.maxUnavailable) return
    const { progress } = this.record
    if (!progress.forced && floor.refusal(this.nodes, id) !== null) {
      if (!this.#knowsReceivers) {
        this.#remark('Waiting until it is known who else serves')
        return
      }
      const note = `Paused by itself: nothing would serve if ${next.node} went`
      await this.#transition('paused', 'tidegate', { expectedVersion: seen, note })
      return
    }
    const driver = this.#nodes.driver(next.node)
    const document = await driver.look()
    if (document === null) {
      this.#remark(`${next.node} does not answer; the drain waits for it`)
      return
    }
    // An operator may have paused or aborted while the node was asked.
    if (!this.#isStill(seen, 'running')) return
    progress.baselines[next.node] = countersOf(document)
    progress.asked[next.node] = { epoch: document.epoch, accepted: false }
    this.record.step(next.node, {
      phase: 'pre_drain',
      startedAt: new Date(clock.now()).toISOString(),
    })
    await this.record.save({ atOnce: true })
    if (this.#isStill(seen, 'running')) this.#remark(await this.#nodes.ask(next.node))
  }

  /** One step of one node: reads what it says, shows it, and proves it empty. */
  async #advance(step: DrainStep, seen: number): Promise<void> {
    const { node, phase } = step
    if (phase === 'done') return
    if (phase === 'waiting') {
      // What is left in all must not forget the nodes whose turn has not come.
      const remaining = this.#options.fleet.health(node)?.document?.drain.remaining ?? null
      this.record.step(node, { remaining })
      return
    }
    const driver = this.#nodes.driver(node)
    const before = driver.document
    const document = await driver.look()
    if (!this.#isStill(seen, this.drain.state)) return
    if (this.#nodes.hasExited(node, document)) return this.#nodes.finishExit(node, before)
    if (document === null) {
      this.record.step(node, { remaining: null })
      this.#remark(`${node} does not answer; the drain waits for it`)
      return
    }
    this.#noteLost(node, document)
    if (document.state === 'serving' && document.drain.drainId !== this.drain.id)
      return this.#isServing(step, document, seen)
    const remaining = document.drain.remaining
    if (document.state !== 'drained') {
      const at = document.drain.phase
      this.record.step(node, { remaining, ...(at === null || at === 'cleanup' ? {} : { phase: at }) })
      return
    }
    this.record.step(node, { phase: 'proving', remaining })
    if (driver.isEmpty(document) && this.#tunnelsHaveMoved(node)) {
      countStep(this.record.progress, node, document)
      this.#nodes.endStep(node, 'empty')
    }
  }

  /** It serves although its turn has come: it reached the deadline that brings it back, or never heard, or forgot. */
  async #isServing(step: DrainStep, document: Health, seen: number): Promise<void> {
    const { node } = step
    const { progress } = this.record
    const asked = progress.asked[node]
    const sameRun = asked === undefined || asked.epoch === document.epoch
    const heard = asked?.accepted === true || step.phase !== 'pre_drain'
    if (this.drain.strategy.onDeadline === 'resume' && heard && sameRun) {
      const note = `${node} reached its deadline and serves again`
      // The state's note gives way to the next one; the report keeps it.
      await this.#transition('aborting', 'tidegate', { expectedVersion: seen, note, end: 'serving' })
      progress.notes.push(note)
      return
    }
    if (!sameRun) {
      progress.asked[node] = { epoch: document.epoch, accepted: false }
      await this.record.save({ atOnce: true })
      if (!this.#isStill(seen, this.drain.state)) return
    }
    this.#remark(await this.#nodes.ask(node))
  }

  #tunnelsHaveMoved(node: string): boolean {
    const missing = this.drain.moves.filter((move) => move.from === node && move.to === null)
    if (missing.length === 0) return true
    const now = this.#options.clock.monotonic()
    const since = this.#missingSince.get(node) ?? now
    this.#missingSince.set(node, since)
    this.#remark(
      `Waiting for ${missing.length} of ${node}'s tunnels to register elsewhere: ${namesOf(missing)}`,
    )
    if (now - since < MISSING_TUNNEL_WAIT_MS) return false
    this.record.progress.notes.push(
      `${missing.length} of ${node}'s tunnels did not register elsewhere within ${MISSING_TUNNEL_WAIT_MS / 1_000} s: ${namesOf(missing)}`,
    )
    return true
  }

  /** Why the drain should not go on by itself; null where all is well, or an operator accepted what is not. */
  #worry(): string | null {
    const worries = this.#worries()
    const { progress } = this.record
    // What is over is worth a pause when it comes again.
    if (this.#knowsReceivers) {
      const codes = worries.map(({ code }) => code)
      progress.accepted = progress.accepted.filter((code) => codes.includes(code))
    }
    return worries.find(({ code }) => !progress.accepted.includes(code))?.sentence ?? null
  }

  #worries(): Worry[] {
    const region = this.drain.region ?? null
    const { fleet } = this.#options
    return [
      ...(this.#knowsReceivers ? receiverWorries(fleet, this.nodes, region) : []),
      ...moveWorries(fleet, region, this.drain.moves),
    ]
  }

  /**
   * Just after a start of the collector, or when it stalled or lost its own network, nothing is known of the receivers. For a while
   * that is no reason to pause, and none to begin anything either.
   */
  #lookAtReceivers(): boolean {
    const { adopted, clock, fleet } = this.#options
    const now = clock.monotonic()
    const others = fleet.nodes().filter(({ id }) => !this.nodes.includes(id))
    const blind = others.length > 0 && others.every(({ state }) => state === 'unknown')
    this.#blindSince = blind ? (this.#blindSince ?? now) : null
    if (this.#blindSince !== null && now - this.#blindSince <= RECEIVER_GRACE_MS) return false
    return !adopted || now - this.#startedAt > RECEIVER_GRACE_MS
  }

  #remark(text: string | null): void {
    if (text !== null) this.#remarks.push(text)
  }

  #isStill(seen: number, state: DrainState): boolean {
    return this.drain.version === seen && this.drain.state === state
  }

  #follow(): void {
    // With very many hosts this costs milliseconds: then it comes less often, and events tell of each move meanwhile.
    const began = performance.now()
    if (began >= this.#followAgainAt) {
      this.#setMoves(followMoves(this.drain.moves, this.#options.fleet.tunnels(), this.#nodes.leaving()))
      this.#followAgainAt = began + 20 * (performance.now() - began)
    }
    const { fleet } = this.#options
    const { progress } = this.record
    const first = progress.lost === null
    for (const { id } of fleet.nodes()) {
      // What a node in hand says itself is newer than what the last poll said of it.
      if (progress.asked[id] !== undefined) continue
      const document = fleet.health(id)?.document
      if (document) this.#noteLost(id, document, first)
    }
    progress.lost ??= {}
  }

  #noteLost(node: string, document: Health, atStart = false): void {
    const { progress } = this.record
    progress.lost ??= {}
    if (noteLost(progress.lost, node, document, this.nodes, atStart)) this.record.touch()
  }

  #setMoves(moves: readonly Drain['moves'][number][]): void {
    if (moves !== this.drain.moves) this.record.change({ moves: [...moves] })
  }

  /** What happened while no collector listened is in the store: it is read from there once. */
  async #readMissedEvents(): Promise<void> {
    if (this.#missedEventsRead) return
    try {
      for await (const event of eventsOfDrain(this.#options.store, this.drain)) this.observe(event)
      this.#missedEventsRead = true
    } catch (error) {
      this.#options.log.warn(
        { drain: this.drain.id, err: error },
        'the events of the drain could not be read for its report',
      )
    }
  }

  /** Every change of state of this drain passes here, the tick's and the operators'. */
  async #transition(to: DrainState, by: string, options: Transition): Promise<Drain> {
    const ends = to === 'drained' || to === 'aborted' || to === 'failed'
    const { from, drain } = await this.record.transition(to, by, {
      ...options,
      ...(ends ? { report: () => this.#report() } : {}),
    })
    if (from === to) return drain
    this.#stateSince = this.#options.clock.monotonic()
    const { end, phases } = this.record.progress
    const tell = () => recordTransition(this.#options.fleet, drain, { from, by, end, phases: [...phases] })
    this.#story = this.#story
      .then(tell, tell)
      .catch((error: unknown) =>
        this.#options.log.warn({ drain: drain.id, err: error }, 'a change of a drain could not be told'),
      )
    return drain
  }

  #report() {
    this.#setMoves(followMoves(this.drain.moves, this.#options.fleet.tunnels(), this.#nodes.leaving()))
    const { clock } = this.#options
    // The wall says how long it ran before this process took it up; from then on the time is measured.
    const before = Math.max(0, this.#wallAtStart - Date.parse(this.drain.createdAt))
    return reportOf(this.drain, this.record.progress, before + clock.monotonic() - this.#startedAt)
  }
}

const isConflict = (error: unknown): boolean =>
  error instanceof AppError && error.code === 'ERR_VERSION_CONFLICT'
