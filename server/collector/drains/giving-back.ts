import type { DrainStep } from '../../contract/drains.ts'
import { listWords } from '../../contract/words.ts'
import type { DrainContext } from './drain-context.ts'
import type { DrainedNodes } from './drained-nodes.ts'
import { ENDED_HELD } from './held-nodes.ts'
import type { Transitions } from './transitions.ts'

/** Resuming or aborting gives up on a node after this long and says so. */
const RESUME_LIMIT_MS = 120_000

/** A node that does not serve yet, and why. */
interface NotYet {
  node: string
  why: string
}

/** Brings nodes back and believes it when their readiness says so. What serves is left serving, whatever becomes of the others. */
export class GivingBack {
  readonly #context: DrainContext
  readonly #nodes: DrainedNodes
  readonly #transitions: Transitions

  constructor(context: DrainContext, nodes: DrainedNodes, transitions: Transitions) {
    this.#context = context
    this.#nodes = nodes
    this.#transitions = transitions
  }

  /** @param beforeEnd what is still to be read for the report */
  async tick(seen: number, to: 'resumed' | 'aborted', beforeEnd: () => Promise<void>): Promise<void> {
    const { record } = this.#context
    const { drain, progress } = record
    const held = to === 'aborted' && progress.end === 'held'
    const asked = await Promise.all(drain.steps.map((step) => this.#giveBack(step, held)))
    const waiting = asked.filter((notYet) => notYet !== null)
    if (!record.isStill(seen, drain.state)) return
    if (waiting.length === 0) {
      await beforeEnd()
      const note = held ? ENDED_HELD : null
      await this.#transitions.to(to, record.drain.updatedBy, { expectedVersion: seen, note })
      await record.save({ atOnce: true })
    } else if (this.#transitions.ageMs > RESUME_LIMIT_MS) {
      await this.#giveUp(seen, waiting)
    } else {
      record.note(whysOf(waiting))
      await record.save()
    }
  }

  async #giveUp(seen: number, waiting: readonly NotYet[]): Promise<void> {
    const { record, fleet } = this.#context
    const names = waiting.map(({ node }) => node)
    for (const node of names) this.#nodes.endStep(node, 'out')
    const serving = record.drain.steps
      .filter(({ outcome }) => outcome === 'back' || outcome === 'kept_serving')
      .map(({ node }) => node)
    const rest =
      serving.length === 0 ? '' : `. ${listWords(serving)} ${serving.length === 1 ? 'serves' : 'serve'}`
    const note = `Still out of service: ${listWords(names)} (${whysOf(waiting)})${rest}. Resume tries again`
    fleet.setIntent(names, 'drain')
    await this.#transitions.itself('failed', seen, { note })
  }

  /** One node of a drain that ends; null once there is nothing left to do for it. */
  async #giveBack({ node, phase, outcome }: DrainStep, held: boolean): Promise<NotYet | null> {
    const { record, fleet } = this.#context
    const nodes = this.#nodes
    if (!record.progress.begun) return this.#done(node, 'kept_serving')
    if (outcome === 'exited' || outcome === 'kept_serving') return null
    if (nodes.stateOf(node) === null) {
      const note = `${node} is not in the configuration any more`
      // The others may take many ticks.
      if (!record.progress.notes.includes(note)) record.progress.notes.push(note)
      return this.#done(node, 'out')
    }
    if (outcome === 'back' && (held || nodes.isUp(node))) return null
    if (held && phase !== 'waiting') return this.#done(node, 'held')
    const why = await nodes.bringBack(node)
    if (why !== null) return nodes.hasExited(node, null) ? this.#done(node, 'exited') : { node, why }
    // Judged down until polls say otherwise: given back before that, its reboot would be reported as an outage after all.
    if (nodes.stateOf(node) === 'down') return { node, why: `${node} is back; polls confirm it` }
    const wasOut = phase === 'done' || record.drain.state === 'resuming'
    nodes.endStep(node, wasOut ? 'back' : 'kept_serving')
    fleet.setIntent([node], 'serving')
    return null
  }

  #done(node: string, outcome: NonNullable<DrainStep['outcome']>): null {
    this.#nodes.endStep(node, outcome)
    return null
  }
}

const whysOf = (waiting: readonly NotYet[]): string => waiting.map(({ why }) => why).join('; ')
