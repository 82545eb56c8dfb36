import type { DrainStep } from '../../contract/drains.ts'
import type { Facts } from '../adapters/facts.ts'
import type { DrainContext } from './drain-context.ts'
import type { DrainParts } from './drain-parts.ts'
import { remainingOn } from './empty-proof.ts'
import { LedSteps } from './led-steps.ts'
import { isServing } from './node-driver.ts'
import { isSameRun, markOf } from './run-mark.ts'

/** Takes the nodes of a drain out, each by a step: asked, watched, proved empty. */
export class DrainSteps {
  readonly #context: DrainContext
  readonly #parts: DrainParts
  readonly #led: LedSteps

  constructor(context: DrainContext, parts: DrainParts) {
    this.#context = context
    this.#parts = parts
    this.#led = new LedSteps(context, parts)
  }

  get areDone(): boolean {
    return this.#context.record.drain.steps.every((step) => step.phase === 'done')
  }

  /** All steps go on by one look at their nodes. */
  async advance(seen: number): Promise<void> {
    const { drain } = this.#context.record
    await Promise.all(drain.steps.map((step) => this.#advance(step, seen)))
  }

  /** Begins the next step, where the strategy and what else serves allow it. */
  async startNext(seen: number): Promise<void> {
    const { record, floor } = this.#context
    const { receivers, remarks, transitions } = this.#parts
    const { steps, strategy, id } = record.drain
    const open = steps.filter((step) => step.phase !== 'waiting' && step.phase !== 'done').length
    const next = steps.find((step) => step.phase === 'waiting')
    if (next === undefined || open >= strategy.maxUnavailable) return
    if (!record.progress.forced && floor.refusal(record.progress.order, id) !== null) {
      if (!receivers.areKnown) return remarks.add('Waiting until it is known who else serves')
      const note = `Paused by itself: nothing would serve if ${next.node} went`
      await transitions.itself('paused', seen, { note })
      return
    }
    const facts = await this.#parts.nodes.driver(next.node).look()
    if (facts === null) return remarks.add(`${next.node} does not answer; the drain waits for it`)
    // An operator may have paused or aborted while the node was asked.
    if (record.isStill(seen, 'running')) await this.#start(next.node, facts, seen)
  }

  /** What is about to be asked is written down first: a crash in between must not lose who was asked. */
  async #start(node: string, facts: Facts, seen: number): Promise<void> {
    const { record, clock } = this.#context
    this.#parts.tally.beginStep(node, facts)
    const led = facts.drain === null ? { led: true } : {}
    const run = markOf(facts, clock.now())
    record.progress.asked[node] = { epoch: facts.epoch, run, accepted: false, ...led }
    record.step(node, { phase: 'pre_drain', startedAt: new Date(clock.now()).toISOString() })
    await record.save({ atOnce: true })
    if (record.isStill(seen, 'running')) this.#parts.remarks.add(await this.#parts.nodes.ask(node))
  }

  /** One step of one node: reads what it says, shows it, and proves it empty. */
  async #advance(step: DrainStep, seen: number): Promise<void> {
    const { record, fleet } = this.#context
    const { nodes, tally, remarks } = this.#parts
    const { node, phase } = step
    if (phase === 'done') return
    if (phase === 'waiting') {
      // What is left in all must not forget the nodes whose turn has not come.
      const facts = fleet.known(node)?.facts
      record.step(node, { remaining: facts ? remainingOn(facts) : null })
      return
    }
    const driver = nodes.driver(node)
    const before = driver.facts
    const facts = await driver.look()
    if (record.drain.version !== seen) return
    if (nodes.hasExited(node, facts)) return nodes.finishExit(node, before)
    const asked = record.progress.asked[node]
    if (asked?.led === true) return this.#led.advance(step, asked, facts, seen)
    if (facts === null) {
      record.step(node, { remaining: null })
      return remarks.add(`${node} does not answer; the drain waits for it`)
    }
    tally.noteLost(node, facts)
    if (isServing(facts) && facts.drain?.drainId !== record.drain.id)
      return this.#stillServes(step, facts, seen)
    this.#show(node, facts)
  }

  /** How far the node has got on its way out; at the end the proof that it is empty. */
  #show(node: string, facts: Facts): void {
    const { record } = this.#context
    const { nodes, moves, tally } = this.#parts
    const remaining = remainingOn(facts)
    if (facts.state !== 'drained') {
      const at = facts.drain?.phase ?? null
      record.step(node, { remaining, ...(at === null || at === 'cleanup' ? {} : { phase: at }) })
      return
    }
    record.step(node, { phase: 'proving', remaining })
    if (!nodes.driver(node).isEmpty(facts) || !moves.haveLeft(node)) return
    tally.countStep(node, facts)
    nodes.endStep(node, 'empty')
  }

  /** It serves although its turn has come: it reached the deadline that brings it back, or never heard, or forgot. */
  async #stillServes({ node, phase }: DrainStep, facts: Facts, seen: number): Promise<void> {
    const { record, clock } = this.#context
    const { nodes, remarks, transitions } = this.#parts
    const { progress } = record
    const asked = progress.asked[node]
    const sameRun = asked === undefined || isSameRun(asked.run ?? asked, facts, clock.now())
    const heard = asked?.accepted === true || phase !== 'pre_drain'
    if (record.drain.strategy.onDeadline === 'resume' && heard && sameRun) {
      const note = `${node} reached its deadline and serves again`
      // The state's note gives way to the next one; the report keeps it.
      await transitions.itself('aborting', seen, { note, end: 'serving' })
      progress.notes.push(note)
      return
    }
    if (!sameRun) {
      progress.asked[node] = { epoch: facts.epoch, run: markOf(facts, clock.now()), accepted: false }
      await record.save({ atOnce: true })
      if (record.drain.version !== seen) return
    }
    remarks.add(await nodes.ask(node))
  }
}
