import type { z } from 'zod'
import type {
  FleetView,
  NodeView,
  OpenSignal,
  RuleContext,
  SignalFact,
  SignalRule,
  SignalVerdict,
} from '../../../server/collector/signals/rule.ts'
import { lookAt, scriptedView } from './scripted-view.ts'

/** Feeds one rule as the engine does, one node, one look at a time, and remembers what is open. */
export class Play<State, Thresholds extends z.ZodObject> {
  readonly #rule: SignalRule<State, Thresholds>
  readonly #thresholds: Partial<z.output<Thresholds>>
  node: Partial<NodeView> & { id: string }
  others: (Partial<NodeView> & { id: string })[] = []
  inMaintenance: FleetView['inMaintenance'] = () => false
  open: OpenSignal | null = null
  state: State

  constructor(rule: SignalRule<State, Thresholds>, thresholds: Partial<z.output<Thresholds>> = {}) {
    this.#rule = rule
    this.#thresholds = thresholds
    this.node = { id: 'fra-1' }
    this.state = rule.start()
  }

  /** The collector starts again: what was open is known, and nothing else. */
  restart(): void {
    this.state = this.#rule.start()
  }

  take(fact: SignalFact): this {
    this.state = this.#rule.take(this.state, fact, this.#context(0) as RuleContext<z.output<Thresholds>>)
    return this
  }

  /** What is said at a moment (epoch ms). */
  look(now: number): SignalVerdict {
    if (this.#rule.forget) this.state = this.#rule.forget(this.state, now)
    const verdict = this.#rule.verdict(this.state, this.#context(now))
    if (verdict.state === 'open') this.open ??= { startedAt: verdict.startedAt, openedAt: now, memory: null }
    if (verdict.state === 'closed' && this.open !== null) {
      this.open = null
      if (this.#rule.afterClose) this.state = this.#rule.afterClose(this.state)
    }
    return verdict
  }

  #context(now: number) {
    const { open } = this
    const fleet = scriptedView({ nodes: [this.node, ...this.others], inMaintenance: this.inMaintenance })
    const thresholds = this.#rule.thresholds.parse(this.#thresholds)
    return lookAt(this.#rule as unknown as SignalRule, fleet, { now, open, thresholds }) as Parameters<
      SignalRule<State, Thresholds>['verdict']
    >[1]
  }
}
