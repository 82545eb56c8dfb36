import type { DrainStep, Remaining } from '../../contract/drains.ts'
import { durationWords, plural } from '../../contract/words.ts'
import type { Facts } from '../adapters/facts.ts'
import type { DrainContext } from './drain-context.ts'
import type { DrainParts } from './drain-parts.ts'
import type { AskedNode } from './drain-progress.ts'
import { openIn, remainingOn } from './empty-proof.ts'

/** How long what counts nothing is given to finish after it was asked to go. */
export const SETTLE_SECONDS = 10
/** One that serves although it was asked is asked again so often. */
const ASK_AGAIN_MS = 1_000

/**
 * Takes out nodes that have no drain of their own: other programs, by whatever verb there is for them. What such a node would do itself
 * is done here: it is watched by its own numbers, its deadline is held, and it is proved empty, or said that nobody can.
 */
export class LedSteps {
  readonly #context: DrainContext
  readonly #parts: DrainParts
  /** When each was asked, or heard: monotonic ms, by the wall's word for it. */
  readonly #began = new Map<string, { wall: number; at: number }>()
  readonly #askedAt = new Map<string, number>()

  constructor(context: DrainContext, parts: DrainParts) {
    this.#context = context
    this.#parts = parts
  }

  /** One step goes on by one look at its node; `facts` is null where that brought nothing. */
  async advance(step: DrainStep, asked: AskedNode, facts: Facts | null, seen: number): Promise<void> {
    const { record, fleet } = this.#context
    const { node } = step
    const remaining = facts === null ? null : remainingOn(facts)
    record.step(node, { remaining })
    if (facts !== null) this.#parts.tally.noteLost(node, facts)
    if (await this.#endsAtDeadline(step, asked, facts, seen)) return
    if (!asked.accepted || facts?.state === 'serving') return this.#ask(node)
    if (fleet.drainProof(node) === 'none') return this.#settle(node, asked, facts)
    this.#watch(step, asked, facts, remaining)
  }

  async #ask(node: string): Promise<void> {
    const { clock } = this.#context
    const last = this.#askedAt.get(node) ?? Number.NEGATIVE_INFINITY
    const isHeard = this.#context.record.progress.asked[node]?.accepted === true
    if (isHeard && clock.monotonic() - last < ASK_AGAIN_MS) return
    this.#askedAt.set(node, clock.monotonic())
    this.#parts.remarks.add(await this.#parts.nodes.ask(node))
  }

  /** Nothing can be seen of it, whether it answers or not. */
  #settle(node: string, asked: AskedNode, facts: Facts | null): void {
    const waitedMs = this.#msSince(node, asked.at)
    if (waitedMs < SETTLE_SECONDS * 1_000) {
      this.#parts.remarks.add(
        `${node} was asked to go; it counts nothing that could show whether it has, so it is given ${SETTLE_SECONDS} s`,
      )
      return
    }
    this.#end(node, facts, `${node} counts nothing, so nobody can prove that it is empty`)
  }

  /** Its own numbers say what is left, and whether more comes. */
  #watch(step: DrainStep, asked: AskedNode, facts: Facts | null, remaining: Remaining | null): void {
    const { record } = this.#context
    const { remarks, nodes, tally, moves } = this.#parts
    const { node } = step
    if (facts === null) {
      remarks.add(`${node} does not answer; the drain waits for it`)
      return
    }
    const driver = nodes.driver(node)
    const takes = driver.takes(facts)
    const isEmpty = driver.isEmpty(facts)
    if (remaining === null) {
      remarks.add(`${node} does not say at the moment how many connections are open`)
      return
    }
    const left = openIn(remaining)
    const phase = step.phase === 'proving' || driver.isQuiet ? 'proving' : 'connections'
    record.step(node, { phase })
    if (takes !== null)
      remarks.add(
        `${node} still ${takes} although it was asked to go${atWords(asked)}; health checks of a balancer count too`,
      )
    else if (left > 0)
      remarks.add(`Waiting for ${plural(remaining.connections, 'connection')} of ${node} to end`)
    if (!isEmpty || !moves.haveLeft(node)) return
    // Nobody here can end it: it is out of service until somebody does, and as long as that lasts this drain says so.
    if (this.#isExit) {
      remarks.add(`${node} is empty; the drain waits for its process to be ended`)
      return
    }
    tally.countStep(node, facts)
    nodes.endStep(node, 'empty')
  }

  get #isExit(): boolean {
    return this.#context.record.drain.strategy.mode === 'exit'
  }

  /** What a node does by itself where it has a drain: answers whether the step ended by its deadline. */
  async #endsAtDeadline(
    { node }: DrainStep,
    asked: AskedNode,
    facts: Facts | null,
    seen: number,
  ): Promise<boolean> {
    const { record } = this.#context
    const { strategy } = record.drain
    const limit = durationWords(strategy.deadlineSeconds * 1_000)
    const isOver = this.#msSince(node, asked.at) >= strategy.deadlineSeconds * 1_000
    if (!isOver || strategy.onDeadline === 'wait') return false
    if (strategy.onDeadline === 'resume') {
      const note = asked.accepted
        ? `${node} was not empty ${limit} after it was asked to go`
        : `${node} could not be asked to go within ${limit}`
      await this.#parts.transitions.itself('aborting', seen, { note, end: 'serving' })
      record.progress.notes.push(note)
      return true
    }
    // Force ends what was begun. One that never heard has everything still before it.
    if (!asked.accepted || this.#context.fleet.drainProof(node) === 'none') return false
    const left = facts === null ? null : remainingOn(facts)
    const what = left === null ? 'nobody knows what' : plural(left.connections, 'connection')
    if (this.#isExit) {
      this.#parts.remarks.add(
        `${node} reached its deadline of ${limit} with ${what} open; the drain waits for its process to be ended`,
      )
      return true
    }
    this.#end(
      node,
      facts,
      `${node} reached its deadline of ${limit} with ${what} open, and nothing can close them there`,
    )
    return true
  }

  #end(node: string, facts: Facts | null, why: string): void {
    const { record } = this.#context
    record.progress.notes.push(`${why}: it is drained (unproven)`)
    if (facts !== null) this.#parts.tally.countStep(node, facts)
    this.#parts.nodes.endStep(node, 'unproven')
  }

  /** Measured; over a restart of the collector the wall says how long it was. */
  #msSince(node: string, wall: number | undefined): number {
    const { clock, record } = this.#context
    const startedAt = record.drain.steps.find((step) => step.node === node)?.startedAt
    const from = wall ?? Date.parse(startedAt ?? '')
    let began = this.#began.get(node)
    if (began?.wall !== from) {
      const before = Math.max(0, clock.now() - from)
      began = { wall: from, at: clock.monotonic() - (Number.isFinite(before) ? before : 0) }
      this.#began.set(node, began)
    }
    return clock.monotonic() - began.at
  }
}

const atWords = ({ at }: AskedNode): string =>
  at === undefined ? '' : ` at ${new Date(at).toISOString().slice(11, 19)} UTC`
