import { drainStateRule, isActiveDrain } from '../../contract/drain-rules.ts'
import type { Drain } from '../../contract/drains.ts'
import { AppError } from '../../contract/errors.ts'
import type { FleetEvent } from '../../contract/events.ts'
import type { DrainState } from '../../contract/states.ts'
import { within } from '../../time/deadline.ts'
import type { DrainContext } from './drain-context.ts'
import type { DrainRecord, Transition } from './drain-record.ts'
import { DrainStates } from './drain-states.ts'
import { DrainedNodes } from './drained-nodes.ts'
import { MoveWatch } from './move-watch.ts'
import { Receivers } from './receivers.ts'
import { Remarks } from './remarks.ts'
import { Tally } from './tally.ts'
import { Transitions } from './transitions.ts'

/**
 * Between two ticks. People watch a drain, and nodes go through its phases within seconds: four looks a second are one HTTP request
 * to each node in hand, and a page that is never older than the blink of an eye.
 */
export const TICK_MS = 250
/** A stop waits so long for a call that is under way. */
const STOP_MS = 3_000

/** One drain, driven by ticks. Puts its parts together, and keeps them going until nothing is left to do. */
export class DrainRun {
  readonly record: DrainRecord
  readonly #context: DrainContext
  readonly #tickMs: number
  readonly #nodes: DrainedNodes
  readonly #moves: MoveWatch
  readonly #tally: Tally
  readonly #receivers: Receivers
  readonly #transitions: Transitions
  readonly #states: DrainStates
  #timer: NodeJS.Timeout | null = null
  #ticking: Promise<void> | null = null
  #closed = false
  /** When this drain last went on: a tick ended, or a node answered or did not (monotonic ms). */
  #beatAt: number

  constructor(context: DrainContext, tickMs = TICK_MS) {
    const remarks = new Remarks()
    this.record = context.record
    this.#context = context
    this.#tickMs = tickMs
    this.#beatAt = context.clock.monotonic()
    this.#tally = new Tally(context)
    this.#nodes = new DrainedNodes(context, this.#tally, () => this.#beat())
    this.#moves = new MoveWatch(context, remarks, () => this.#nodes.leaving())
    this.#receivers = new Receivers(context)
    this.#transitions = new Transitions(context, () => {
      this.#moves.lookNow()
      return this.#tally.report()
    })
    const parts = {
      nodes: this.#nodes,
      moves: this.#moves,
      tally: this.#tally,
      receivers: this.#receivers,
      transitions: this.#transitions,
      remarks,
    }
    this.#states = new DrainStates(context, parts, (event) => this.observe(event))
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
    return this.#context.clock.monotonic() - this.#beatAt
  }

  /** Drives on. Calling it twice is harmless. */
  start(): void {
    if (this.#closed || this.#timer !== null || this.#ticking !== null) return
    // A drain that waits for its hour changes nothing yet.
    if (isActiveDrain(this.drain) && drainStateRule(this.drain).wantsOut) this.#wantOut()
    this.#timer = setTimeout(() => this.#tick(), 0)
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
      await this.#transitions.settled()
    }
    await within(STOP_MS, rest()).catch((error: unknown) =>
      this.#context.log.warn(
        { drain: this.drain.id, err: error },
        'a drain was left in the middle of a step',
      ),
    )
  }

  /** An operator's verb. */
  async steer(to: DrainState, by: string, options: Omit<Transition, 'report'>): Promise<Drain> {
    const goesOn = this.drain.state === 'paused' && to === 'running'
    const accepted = goesOn ? this.#receivers.worries().map(({ code }) => code) : []
    const progress = goesOn ? { begun: true, accepted } : {}
    const drain = await this.#transitions.to(to, by, { ...options, progress })
    if (goesOn) this.#wantOut()
    this.start()
    return drain
  }

  /** Takes notice of an event of the fleet. */
  observe(event: FleetEvent): void {
    this.#moves.observe(event)
    this.#tally.observe(event)
  }

  #tick(): void {
    this.#timer = null
    this.#ticking = this.#states
      .tick()
      .catch((error: unknown) => {
        if (isConflict(error)) return // An operator was faster; the next tick sees what is wanted now.
        this.#context.log.warn({ drain: this.drain.id, err: error }, 'a drain step failed and is tried again')
      })
      .finally(() => {
        this.#ticking = null
        this.#beat()
        if (this.driven) this.#timer = setTimeout(() => this.#tick(), this.#tickMs)
        else if (!this.#closed) this.#forgetWishes()
      })
  }

  /** Nothing of it is asked again, unless another drain has the node by now. */
  #forgetWishes(): void {
    const { fleet, floor } = this.#context
    for (const node of this.nodes) if (!floor.isTaken(node, this.drain.id)) fleet.drainVerbs(node)?.forget?.()
  }

  #wantOut(): void {
    this.#context.fleet.setIntent(this.#nodes.away(), 'drain')
  }

  #beat(): void {
    this.#beatAt = this.#context.clock.monotonic()
  }
}

const isConflict = (error: unknown): boolean =>
  error instanceof AppError && error.code === 'ERR_VERSION_CONFLICT'
