import { isFinishedExit, nodesOut } from '../../contract/drain-rules.ts'
import type { DrainStep } from '../../contract/drains.ts'
import { AppError } from '../../contract/errors.ts'
import type { Health } from '../../contract/health.ts'
import type { ObservedState } from '../../contract/states.ts'
import { listWords } from '../../contract/words.ts'
import { REBOOT_LIMIT_MS } from './absences.ts'
import type { DrainClock } from './drain-clock.ts'
import type { DrainFleet } from './drain-fleet.ts'
import type { DrainRecord } from './drain-record.ts'
import { countStep } from './drain-report.ts'
import { NodeDriver } from './node-driver.ts'
import type { ServingFloor } from './serving-floor.ts'

/** The nodes of one drain: what they are asked, how each ended, and what is kept away or given back. */
export class DrainedNodes {
  readonly #record: DrainRecord
  readonly #fleet: DrainFleet
  readonly #clock: DrainClock
  readonly #floor: ServingFloor
  readonly #drivers: ReadonlyMap<string, NodeDriver>
  /** Nodes that are observed to serve, looked up once a tick. */
  #up: Set<string> | null = null

  constructor(
    record: DrainRecord,
    fleet: DrainFleet,
    floor: ServingFloor,
    clock: DrainClock,
    /** Called whenever a node has answered, or has not. */
    beat: () => void,
  ) {
    this.#record = record
    this.#floor = floor
    this.#fleet = fleet
    this.#clock = clock
    this.#drivers = new Map(record.progress.order.map((id) => [id, new NodeDriver(id, fleet, clock, beat)]))
  }

  /** What was observed of the fleet is looked up anew. */
  lookAnew(): void {
    this.#up = null
  }

  /** True while nodes are out of service because of this drain although it has nothing more to do. */
  keepsNodesAway(): boolean {
    const { drain } = this.#record
    if (nodesOut(drain).length > 0) return true
    const ended = isFinishedExit(drain) || drain.state === 'aborted' || drain.state === 'failed'
    return ended && drain.steps.some(({ outcome }) => outcome === 'exited')
  }

  /** Nodes whose tunnels have to leave; a process that came after an exit is a place like any other. */
  leaving(): Set<string> {
    return new Set(
      this.#record.drain.steps.filter(({ outcome }) => outcome !== 'exited').map(({ node }) => node),
    )
  }

  /** Nodes that nobody wants to serve because of this drain. */
  away(): string[] {
    return this.#record.drain.steps
      .filter(({ outcome }) => outcome !== 'back' && outcome !== 'kept_serving')
      .map(({ node }) => node)
  }

  /** True where the fleet sees it serve. */
  isUp(node: string): boolean {
    this.#up ??= new Set(
      this.#fleet
        .nodes()
        .filter(({ state }) => state === 'up' || state === 'degraded')
        .map(({ id }) => id),
    )
    return this.#up.has(node)
  }

  /** As the fleet sees it; null where it is not configured any more. */
  #stateOf(node: string): ObservedState | null {
    return this.#fleet.nodes().find(({ id }) => id === node)?.state ?? null
  }

  /** No host may move twice: all nodes that still have tunnels refuse new ones from the start. */
  async cordonAll(): Promise<void> {
    const { strategy } = this.#record.drain
    await Promise.all(
      this.#record.drain.steps.map(async ({ node, phase }) => {
        // The process that comes after an exit is not ours to ask anything.
        if (phase === 'done' || (strategy.mode === 'exit' && phase !== 'waiting')) return
        const epoch = this.#fleet.health(node)?.document?.epoch ?? ''
        await this.driver(node).cordon(this.#record.drain, epoch)
      }),
    )
  }

  /** Sends the drain to a node, unless it is the last that serves; null where it took the order, else why not. */
  async ask(node: string): Promise<string | null> {
    const { progress, drain } = this.#record
    if (!progress.forced && this.#floor.refusal(progress.order, drain.id) !== null)
      return `Nothing else serves, so ${node} is not asked to drain`
    const asked = await this.driver(node).drain(this.#record.drain)
    if (asked.kind !== 'accepted') return asked.why
    const known = this.#record.progress.asked[node]
    if (known !== undefined && !known.accepted) {
      known.accepted = true
      this.#record.touch()
    }
    return null
  }

  /** While held, nodes that came back serving (a restart that lost its wish) are asked to drain again. */
  async askHeldAgain(): Promise<void> {
    if (this.#record.drain.strategy.mode === 'exit') return
    const back = this.#record.drain.steps.filter(
      ({ outcome, node }) => outcome === 'empty' && this.isUp(node),
    )
    for (const { node } of back) {
      const document = await this.driver(node).look()
      if (document?.state === 'serving' && document.drain.drainId !== this.#record.drain.id)
        await this.ask(node)
    }
  }

  /**
   * The run that was asked to end has ended: another one answers, or enough answers stayed away. Whether it was the order or a
   * crash that ended it, nothing of it is left to drain.
   */
  hasExited(node: string, document: Health | null): boolean {
    if (this.#record.drain.strategy.mode !== 'exit') return false
    const asked = this.#record.progress.asked[node]
    if (asked === undefined) return false
    return document === null ? this.driver(node).isGone() : document.epoch !== asked.epoch
  }

  /** Its process has ended; `last` is what it said before that, for the report. */
  finishExit(node: string, last: Health | null): void {
    const { progress } = this.#record
    const asked = progress.asked[node]
    const known = last !== null && last.epoch === asked?.epoch ? last : null
    const left = known?.drain.remaining
    const completed = progress.phases.some((entry) => entry.node === node)
    if (left !== undefined && left.connections + left.requests + left.tunnels > 0 && !completed) {
      progress.notes.push(
        `${node} ended with ${left.connections} connections, ${left.requests} requests and ${left.tunnels} tunnels open when it last answered`,
      )
    }
    if (known !== null) countStep(progress, node, known)
    this.endStep(node, 'exited')
  }

  /** One node of a drain that ends; null once there is nothing left to do for it. */
  async giveBack(step: DrainStep, held: boolean): Promise<{ node: string; why: string } | null> {
    const { node, phase, outcome } = step
    if (!this.#record.progress.begun) {
      this.endStep(node, 'kept_serving')
      return null
    }
    if (outcome === 'exited' || outcome === 'kept_serving') return null
    if (this.#stateOf(node) === null) {
      this.#record.progress.notes.push(`${node} is not in the configuration any more`)
      this.endStep(node, 'out')
      return null
    }
    if (outcome === 'back' && (held || this.isUp(node))) return null
    if (held && phase !== 'waiting') {
      this.endStep(node, 'held')
      return null
    }
    const driver = this.driver(node)
    const why = await driver.bringBack()
    // Judged down until polls say otherwise: given back before that, its reboot would be told as an outage after all.
    if (why === null && this.#stateOf(node) === 'down')
      return { node, why: `${node} is back; polls confirm it` }
    if (why === null) {
      this.endStep(
        node,
        phase === 'done' || this.#record.drain.state === 'resuming' ? 'back' : 'kept_serving',
      )
      this.#fleet.setIntent([node], 'serving')
      return null
    }
    if (this.hasExited(node, null)) {
      this.endStep(node, 'exited')
      return null
    }
    return { node, why }
  }

  /** What serves again after the end, whoever brought it back, is out of service no more. */
  async noticeReturns(): Promise<void> {
    const { drain, progress } = this.#record
    for (const { node, outcome } of drain.steps) {
      if (outcome !== 'exited' && outcome !== 'held' && outcome !== 'out') continue
      // What does not answer costs a time-out; the next poll that succeeds says that it is there.
      if (!this.isUp(node) && !(outcome === 'exited' && this.#fleet.health(node)?.outcome === 'ok')) continue
      const document = await this.driver(node).look()
      // A silence that was taken for its end was none: it is still on its way out.
      const sameRun = document?.epoch === progress.asked[node]?.epoch
      if (outcome === 'exited' && sameRun && document?.drain.drainId === drain.id) continue
      // It died before it could forget its wish, and whoever starts it again wants it to serve.
      const forgets = outcome === 'exited' && document?.drain.drainId === drain.id
      if (forgets && document.state === 'drained') await this.driver(node).bringBack()
      // The fleet must see it too, or it would be told as an outage between two polls.
      if (!this.isUp(node)) continue
      if (document?.state !== 'serving' || document.relay?.cordoned === true) continue
      this.#record.step(node, { outcome: 'back' })
      this.#fleet.setIntent([node], 'serving')
    }
  }

  /** A reboot is what a region is held for; it is told here instead of by an incident, for so long as that is credible. */
  awayNote(): string | null {
    const away = this.#fleet
      .nodes()
      .filter(({ id, state }) => state === 'down' && nodesOut(this.#record.drain).includes(id))
    const [first] = away
    if (first === undefined) {
      return this.#record.drain.state === 'aborted'
        ? 'Ended held: drained nodes stay out of service until they are resumed'
        : null
    }
    const minutes = REBOOT_LIMIT_MS / 60_000
    const verb = away.length === 1 ? 'has' : 'have'
    return `${listWords(away.map(({ id }) => id))} ${verb} not answered since ${first.since}; a restart is expected while held, for ${minutes} min, then it is an incident`
  }

  /** Says how it ended for this node. */
  endStep(node: string, outcome: NonNullable<DrainStep['outcome']>): void {
    const step = this.#record.drain.steps.find((candidate) => candidate.node === node)
    if (step === undefined || step.outcome === outcome) return
    const done = outcome === 'empty' || outcome === 'exited'
    this.#record.step(node, {
      outcome,
      endedAt: step.endedAt ?? new Date(this.#clock.now()).toISOString(),
      ...(done ? { phase: 'done' as const } : {}),
    })
  }

  driver(node: string): NodeDriver {
    const driver = this.#drivers.get(node)
    if (driver === undefined) throw new AppError('ERR_NOT_FOUND', `${node} is not part of this drain`)
    return driver
  }
}
