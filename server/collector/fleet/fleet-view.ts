import { drainStateRule } from '../../contract/drain-rules.ts'
import type { Drain } from '../../contract/index.ts'
import { DRAIN_STEP_PHASES, type DrainStepPhase } from '../../contract/states.ts'
import type { Announced } from '../judgement/outages.ts'
import type { FleetView, NodeView, StepView } from '../signals/rule.ts'
import type { Fleet } from './fleet.ts'
import type { FleetNode } from './fleet-node.ts'

export interface FleetViewSources {
  fleet: Fleet
  announced: () => Announced
  activeDrains: () => readonly Drain[]
  inMaintenance: FleetView['inMaintenance']
}

/** A node as rules see it; what costs something is asked for only where a rule looks. */
class LiveNodeView implements NodeView {
  readonly #node: FleetNode
  readonly #sources: FleetViewSources

  constructor(node: FleetNode, sources: FleetViewSources) {
    this.#node = node
    this.#sources = sources
  }

  get id(): string {
    return this.#node.id
  }

  get region(): string {
    return this.#node.region
  }

  get state(): NodeView['state'] {
    return this.#node.judgement.state
  }

  get problems(): readonly string[] {
    return this.#node.judgement.problems
  }

  get downSince(): number | null {
    return this.#sources.announced().nodes.get(this.id) ?? null
  }

  get away(): boolean {
    return this.#sources.fleet.away(this.id) !== null
  }

  get mayRestart(): boolean {
    const { fleet } = this.#sources
    return this.draining || fleet.mayRestart(this.id)
  }

  get outcome(): NodeView['outcome'] {
    return this.#node.reading?.outcome ?? null
  }

  get clockSkewMs(): number | null {
    return this.#node.clock.skewMs
  }

  get place(): string {
    return this.#node.place
  }

  get drained(): boolean {
    const { fleet } = this.#sources
    // Who is being given back takes traffic before that is verified.
    const isComingBack = this.#sources
      .activeDrains()
      .some((drain) => drainStateRule(drain).givesBack && drain.steps.some((step) => step.node === this.id))
    if (isComingBack) return false
    return this.state === 'drained' || fleet.standing(this.#node)?.state === 'drained'
  }

  get step(): StepView | null {
    for (const drain of this.#sources.activeDrains()) {
      const step = stepIn(drain, this.id)
      if (step !== null) return step
    }
    return null
  }

  get draining(): boolean {
    // One that waits for its turn serves: what happens to it is no drain's doing.
    return this.#sources
      .activeDrains()
      .some(({ steps }) => steps.some(({ node, phase }) => node === this.id && phase !== 'waiting'))
  }
}

/** How far a node has got in a drain that takes it out at the moment, beside what its plan said. */
const stepIn = (drain: Drain, node: string): StepView | null => {
  const step = drain.steps.find((candidate) => candidate.node === node)
  if (drain.state !== 'running' && drain.state !== 'paused') return null
  if (!step || step.startedAt === null || step.phase === 'waiting' || step.phase === 'done') return null
  const until = DRAIN_STEP_PHASES.indexOf(step.phase)
  const planned = (drain.budget ?? []).filter(
    ({ node: of, phase }) => of === node && DRAIN_STEP_PHASES.indexOf(phase as DrainStepPhase) <= until,
  )
  return {
    phase: step.phase,
    since: Date.parse(step.startedAt),
    plannedMs: planned.reduce((sum, { seconds }) => sum + seconds * 1_000, 0),
    note: drain.note,
  }
}

/** The fleet as the rules of signals see it: always of now. */
export class LiveFleetView implements FleetView {
  readonly #sources: FleetViewSources
  /** Rules ask for every node with every reading and every look; what they get is always of now. */
  readonly #views = new WeakMap<FleetNode, LiveNodeView>()

  constructor(sources: FleetViewSources) {
    this.#sources = sources
  }

  regions(): readonly string[] {
    return [...new Set(this.#sources.fleet.members().map((node) => node.region))]
  }

  nodes(): readonly NodeView[] {
    return this.#sources.fleet.members().map((node) => this.#viewOf(node))
  }

  node(id: string): NodeView | null {
    const node = this.#sources.fleet.member(id)
    return node && this.#viewOf(node)
  }

  nodesOf(region: string): readonly NodeView[] {
    return this.#sources.fleet.nodesOf(region).map((node) => this.#viewOf(node))
  }

  unreachableSince(region: string): number | null {
    return this.#sources.announced().regions.get(region) ?? null
  }

  registeredHosts(region: string): ReadonlySet<string> {
    return this.#sources.fleet.hosts.registeredHosts(region)
  }

  inMaintenance(node: string, at: number): boolean {
    return this.#sources.inMaintenance(node, at)
  }

  #viewOf(node: FleetNode): NodeView {
    const known = this.#views.get(node)
    if (known !== undefined) return known
    const view = new LiveNodeView(node, this.#sources)
    this.#views.set(node, view)
    return view
  }
}
