import { nodesOut } from '../../contract/drain-rules.ts'
import { listWords } from '../../contract/words.ts'
import type { Facts } from '../adapters/facts.ts'
import { REBOOT_LIMIT_MS } from './absences.ts'
import type { DrainContext } from './drain-context.ts'
import type { DrainedNodes } from './drained-nodes.ts'
import { isServing } from './node-driver.ts'

/** What a drain that rests, or has ended, still keeps out of service. */
export class HeldNodes {
  readonly #context: DrainContext
  readonly #nodes: DrainedNodes

  constructor(context: DrainContext, nodes: DrainedNodes) {
    this.#context = context
    this.#nodes = nodes
  }

  /** While held, nodes that came back serving (a restart that lost its wish) are asked to drain again. */
  async askAgain(): Promise<void> {
    const { drain } = this.#context.record
    if (drain.strategy.mode === 'exit') return
    for (const { node, outcome } of drain.steps) {
      if ((outcome !== 'empty' && outcome !== 'unproven') || !this.#nodes.isUp(node)) continue
      const facts = await this.#nodes.driver(node).look()
      // One that names no state answers whether it serves or not: what it takes all the same is a signal (`drain.residue`).
      if (facts === null || hasNoState(facts)) continue
      if (isServing(facts) && facts.drain?.drainId !== drain.id) await this.#nodes.ask(node)
    }
  }

  /** What serves again after the end, whoever brought it back, is out of service no more. */
  async noticeReturns(): Promise<void> {
    const { record, fleet, floor } = this.#context
    const { drain, progress } = record
    for (const { node, outcome } of drain.steps) {
      if (outcome !== 'exited' && outcome !== 'held' && outcome !== 'out') continue
      // What does not answer costs a time-out; the next poll that succeeds says that it is there.
      const answersPolls = outcome === 'exited' && fleet.known(node)?.outcome === 'ok'
      if (!this.#nodes.isUp(node) && !answersPolls) continue
      const driver = this.#nodes.driver(node)
      const facts = await driver.look()
      const isOurs = outcome === 'exited' && facts?.drain?.drainId === drain.id
      // A silence that was taken for its end was none: it is still on its way out.
      if (isOurs && facts.epoch === progress.asked[node]?.epoch) continue
      // It died before it could forget its wish, and a node that is started again is meant to serve.
      if (isOurs && facts.state === 'drained') await this.#nodes.bringBack(node)
      // Or before it heard more of it than that it takes no new tunnels.
      else if (outcome === 'exited' && facts?.drain?.cordoned === true && !floor.isTaken(node, drain.id))
        await this.#nodes.bringBack(node)
      // The fleet must see it too, or it would be reported as an outage between two polls.
      if (!this.#nodes.isUp(node)) continue
      if (facts === null || hasNoState(facts) || !isServing(facts) || facts.drain?.cordoned === true) continue
      record.step(node, { outcome: 'back' })
      fleet.setIntent([node], 'serving')
    }
  }

  /** A reboot is what a region is held for; the drain's note says so instead of an incident, for so long as that is credible. */
  note(): string | null {
    const { record, fleet } = this.#context
    const out = nodesOut(record.drain)
    const away = fleet.nodes().filter(({ id, state }) => state === 'down' && out.includes(id))
    const [first] = away
    if (first === undefined) return record.drain.state === 'aborted' ? ENDED_HELD : null
    const minutes = REBOOT_LIMIT_MS / 60_000
    const verb = away.length === 1 ? 'has' : 'have'
    return `${listWords(away.map(({ id }) => id))} ${verb} not answered since ${first.since}; a restart is expected while held, for ${minutes} min, then it is an incident`
  }
}

const hasNoState = ({ state, drain }: Facts): boolean => state === undefined && drain === null

export const ENDED_HELD = 'Ended held: drained nodes stay out of service until they are resumed'
