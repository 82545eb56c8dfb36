import { isActiveDrain, nodesOut } from '../../contract/drain-rules.ts'
import type { Drain } from '../../contract/drains.ts'
import type { FleetEvent } from '../../contract/events.ts'
import { listWords } from '../../contract/words.ts'
import type { DrainContext } from './drain-context.ts'
import type { DrainParts } from './drain-parts.ts'
import { DrainSteps } from './drain-steps.ts'
import { GivingBack } from './giving-back.ts'
import { HeldNodes } from './held-nodes.ts'

/** What is held is looked at so often: each look asks nodes that may be off. */
const HELD_LOOK_MS = 2_000

/**
 * What a tick does in each state of a drain. A tick compares what is wanted with what the nodes say and does the next idempotent
 * thing, so that one after a crash does the same as one without; and it changes only the version that it saw, so that an operator's
 * verb always wins over it.
 */
export class DrainStates {
  readonly #context: DrainContext
  readonly #parts: DrainParts
  readonly #observe: (event: FleetEvent) => void
  readonly #steps: DrainSteps
  readonly #givingBack: GivingBack
  readonly #held: HeldNodes
  #lookedAt = Number.NEGATIVE_INFINITY

  /** @param observe takes in an event that happened while nobody listened */
  constructor(context: DrainContext, parts: DrainParts, observe: (event: FleetEvent) => void) {
    this.#context = context
    this.#parts = parts
    this.#observe = observe
    this.#steps = new DrainSteps(context, parts)
    this.#givingBack = new GivingBack(context, parts.nodes, parts.transitions)
    this.#held = new HeldNodes(context, parts.nodes)
  }

  async tick(): Promise<void> {
    const { drain } = this.#context.record
    const { nodes, receivers, remarks } = this.#parts
    const seen = drain.version
    remarks.clear()
    nodes.lookAnew()
    receivers.look()
    switch (drain.state) {
      case 'planned':
        return this.#planned(seen)
      case 'running':
      case 'paused':
        return this.#underWay(seen)
      case 'resuming':
        return this.#givingBack.tick(seen, 'resumed', () => this.#readMissed())
      case 'aborting':
        return this.#givingBack.tick(seen, 'aborted', () => this.#readMissed())
      default:
        return this.#rests()
    }
  }

  async #planned(seen: number): Promise<void> {
    const { floor, clock, fleet, record } = this.#context
    const { strategy, createdBy, id } = record.drain
    const { order, forced } = record.progress
    const isTimed = strategy.startAt !== undefined
    if (isTimed && Date.parse(strategy.startAt ?? '') > clock.now()) return record.save()
    // What was true when it was planned may not be true now, and another one may begin in this very moment.
    await floor.decide(async () => {
      const blocked = forced ? null : floor.refusal(order, id)
      if (blocked !== null && isTimed) {
        const note = `Not begun at its hour: nothing would serve (${blocked.message}). Continue or abort it`
        await this.#parts.transitions.itself('paused', seen, { note })
        return
      }
      const begun = { expectedVersion: seen, progress: { begun: true } }
      await this.#parts.transitions.to('running', createdBy, begun)
      fleet.setIntent(order, 'drain')
    })
  }

  /** Running or paused: what was begun goes on; paused, nothing new begins. */
  async #underWay(seen: number): Promise<void> {
    const { record } = this.#context
    const { nodes, moves, tally, remarks } = this.#parts
    if (!record.progress.begun) return record.save()
    await nodes.cordonAll()
    moves.look()
    tally.noteLostElsewhere()
    await this.#steps.advance(seen)
    await this.#held.askAgain()
    if (record.isStill(seen, 'running')) await this.#goOn(seen)
    if (record.drain.version !== seen) return
    if (record.drain.state === 'running') record.note(remarks.first)
    await record.save()
  }

  async #goOn(seen: number): Promise<void> {
    const { record } = this.#context
    const { receivers, transitions } = this.#parts
    if (this.#steps.areDone) {
      await this.#readMissed()
      if (!record.isStill(seen, 'running')) return
      const note = unprovenNote(record.drain)
      await transitions.itself('drained', seen, note === null ? {} : { note })
      return
    }
    const worry = receivers.worry()
    if (worry === null) await this.#steps.startNext(seen)
    else await transitions.itself('paused', seen, { note: `Paused by itself: ${worry}` })
  }

  /**
   * Nothing moves any more, but nodes are out of service: a reboot is noted, one that came back without its wish is asked again, and
   * one that serves again after the drain has ended is given back.
   */
  async #rests(): Promise<void> {
    const { clock, record } = this.#context
    if (clock.monotonic() - this.#lookedAt < HELD_LOOK_MS) return record.save()
    this.#lookedAt = clock.monotonic()
    if (isActiveDrain(record.drain)) await this.#held.askAgain()
    else await this.#held.noticeReturns()
    if (nodesOut(record.drain).length > 0 && record.drain.state !== 'failed') record.note(this.#held.note())
    await record.save()
  }

  #readMissed(): Promise<void> {
    return this.#parts.tally.readMissed(this.#observe)
  }
}

/** The state says that it is drained; what nobody proved is said beside it. */
const unprovenNote = ({ steps }: Drain): string | null => {
  const unproven = steps.filter(({ outcome }) => outcome === 'unproven').map(({ node }) => node)
  if (unproven.length === 0) return null
  const are = unproven.length === 1 ? 'is' : 'are'
  return `Drained (unproven): nobody can tell whether ${listWords(unproven)} ${are} empty`
}
