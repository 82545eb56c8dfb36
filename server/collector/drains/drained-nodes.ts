import { drainStateRule, isActiveDrain, nodesOut } from '../../contract/drain-rules.ts'
import type { DrainStep } from '../../contract/drains.ts'
import { AppError } from '../../contract/errors.ts'
import type { ObservedState } from '../../contract/states.ts'
import { openWords } from '../../contract/words.ts'
import { MAX_KEPT_CHARS } from '../adapters/adapter.ts'
import type { Facts } from '../adapters/facts.ts'
import type { DrainContext } from './drain-context.ts'
import { openIn, remainingOn } from './empty-proof.ts'
import { NodeDriver } from './node-driver.ts'
import { isSameRun } from './run-mark.ts'
import type { Tally } from './tally.ts'

/** The nodes of one drain: what they are asked on their way out, and how each ended. */
export class DrainedNodes {
  readonly #context: DrainContext
  readonly #tally: Tally
  readonly #drivers: ReadonlyMap<string, NodeDriver>
  /** Nodes that are observed to serve, looked up once a tick. */
  #up: Set<string> | null = null

  /** @param beat called whenever a node has answered, or has not */
  constructor(context: DrainContext, tally: Tally, beat: () => void) {
    const { record, fleet, clock } = context
    this.#context = context
    this.#tally = tally
    this.#drivers = new Map(record.progress.order.map((id) => [id, new NodeDriver(id, fleet, clock, beat)]))
  }

  /** What was observed of the fleet is looked up again. */
  lookAnew(): void {
    this.#up = null
  }

  /** True while nodes are out of service because of this drain although it has nothing more to do. */
  keepsNodesAway(): boolean {
    const { drain } = this.#context.record
    if (nodesOut(drain).length > 0) return true
    const ended = !isActiveDrain(drain) && drainStateRule(drain).keepsOut
    return ended && drain.steps.some(({ outcome }) => outcome === 'exited')
  }

  /** Nodes whose tunnels have to leave; a process that came after an exit is a place like any other. */
  leaving(): Set<string> {
    return new Set(this.#steps.filter(({ outcome }) => outcome !== 'exited').map(({ node }) => node))
  }

  /** Nodes that nobody wants to serve because of this drain. */
  away(): string[] {
    return this.#steps
      .filter(({ outcome }) => outcome !== 'back' && outcome !== 'kept_serving')
      .map(({ node }) => node)
  }

  /** True where the fleet sees it serve. */
  isUp(node: string): boolean {
    this.#up ??= new Set(
      this.#context.fleet
        .nodes()
        .filter(({ state }) => state === 'up' || state === 'degraded')
        .map(({ id }) => id),
    )
    return this.#up.has(node)
  }

  /** As the fleet sees it; null where it is not configured any more. */
  stateOf(node: string): ObservedState | null {
    return this.#context.fleet.nodes().find(({ id }) => id === node)?.state ?? null
  }

  /** No host may move twice: all nodes that still have tunnels refuse new ones from the start. */
  async cordonAll(): Promise<void> {
    const { record, fleet } = this.#context
    const isExit = record.drain.strategy.mode === 'exit'
    await Promise.all(
      this.#steps.map(async ({ node, phase }) => {
        // The process that comes after an exit is not ours to ask anything.
        if (phase === 'done' || (isExit && phase !== 'waiting')) return
        await this.driver(node).cordon(record.drain, fleet.known(node)?.facts?.epoch ?? '')
      }),
    )
  }

  /** Sends the drain to a node, unless it is the last that serves; null where it took the order, else why not. */
  async ask(node: string): Promise<string | null> {
    const { record, floor, clock } = this.#context
    const { progress, drain } = record
    if (!progress.forced && floor.refusal(progress.order, drain.id) !== null)
      return `Nothing else serves, so ${node} is not asked to drain`
    const asked = await this.driver(node).drain(record.drain)
    if (asked.kind !== 'accepted') return asked.why
    const known = progress.asked[node]
    const { kept } = asked
    if (known !== undefined && kept !== undefined && kept !== known.kept && kept.length <= MAX_KEPT_CHARS) {
      known.kept = kept
      record.touch()
    }
    if (known !== undefined && !known.accepted) {
      known.accepted = true
      known.at = clock.now()
      record.touch()
      // What cannot be undone must not be forgotten by a crash.
      await record.save({ atOnce: true })
    }
    return null
  }

  /**
   * The run that was asked to end has ended: another one answers, or enough answers stayed away. Whether it was the order or a
   * crash that ended it, nothing of it is left to drain.
   */
  hasExited(node: string, facts: Facts | null): boolean {
    const { drain, progress } = this.#context.record
    if (drain.strategy.mode !== 'exit') return false
    const asked = progress.asked[node]
    if (asked === undefined) return false
    if (facts === null) return this.driver(node).isGone()
    return !isSameRun(asked.run ?? asked, facts, this.#context.clock.now())
  }

  /** This run is to end: it heard so, and what it let go of for that does not come back. */
  #isEnding(node: string, facts: Facts | null): boolean {
    const { record, clock } = this.#context
    const asked = record.progress.asked[node]
    if (record.drain.strategy.mode !== 'exit' || asked?.accepted !== true || facts === null) return false
    return isSameRun(asked.run ?? asked, facts, clock.now())
  }

  /** Asks a node to serve again; null once it does, else why not yet. */
  bringBack(node: string): Promise<string | null> {
    const { record } = this.#context
    const asked = record.progress.asked[node]
    return this.driver(node).bringBack(record.drain, asked, (facts) => this.#isEnding(node, facts))
  }

  /** Its process has ended; `last` is what it said before that, for the report. */
  finishExit(node: string, last: Facts | null): void {
    const { progress } = this.#context.record
    const known = last !== null && last.epoch === progress.asked[node]?.epoch ? last : null
    const left = known === null ? null : remainingOn(known)
    const completed = progress.phases.some((entry) => entry.node === node)
    if (left !== null && openIn(left) > 0 && !completed)
      progress.notes.push(
        `${node} ended with ${openWords(left.connections, left.requests ?? 0, left.tunnels ?? 0)} open when it last answered`,
      )
    if (known !== null) this.#tally.countStep(node, known)
    this.endStep(node, 'exited')
  }

  /** Says how it ended for this node. */
  endStep(node: string, outcome: NonNullable<DrainStep['outcome']>): void {
    const { record, clock } = this.#context
    const step = this.#steps.find((candidate) => candidate.node === node)
    if (step === undefined || step.outcome === outcome) return
    const done = outcome === 'empty' || outcome === 'unproven' || outcome === 'exited'
    record.step(node, {
      outcome,
      endedAt: step.endedAt ?? new Date(clock.now()).toISOString(),
      ...(done ? { phase: 'done' as const } : {}),
    })
  }

  driver(node: string): NodeDriver {
    const driver = this.#drivers.get(node)
    if (driver === undefined) throw new AppError('ERR_NOT_FOUND', `${node} is not part of this drain`)
    return driver
  }

  get #steps(): readonly DrainStep[] {
    return this.#context.record.drain.steps
  }
}
