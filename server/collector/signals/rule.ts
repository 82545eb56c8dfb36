import type { z } from 'zod'
import type { FleetEvent, ObservedState, Severity, SignalKind } from '../../contract/index.ts'
import type { DrainStepPhase } from '../../contract/states.ts'
import type { Facts } from '../adapters/facts.ts'
import type { PollOutcome } from '../adapters/reading.ts'

/** What a rule says of one scope at one moment. `hold` leaves things as they are: it is not known. */
export type SignalVerdict =
  | {
      state: 'open'
      /** When the evidence begins, epoch ms. */
      startedAt: number
      sentence: string
      /** Title of the incident that it would open. */
      title: string
      severity: Severity
      /** What it costs so far, in a sentence. */
      impact: string
      /** Nodes that are involved, where they are not those of the scope. */
      nodes?: readonly string[]
      /** What the rule needs to go on from here after a restart of the collector; plain JSON, a few numbers. */
      memory?: SignalMemory
    }
  | { state: 'closed'; because: string }
  | { state: 'hold' }

export type SignalMemory = Readonly<Record<string, string | number | null>>

/** What a signal is about. */
export interface RuleScope {
  /** `node:fra-1` or `region:fra`. */
  readonly id: string
  readonly region: string
  /** Nodes that are involved. */
  readonly nodes: readonly string[]
}

/** A rule's kind and scope together: what a signal is known by. */
export interface SignalScope {
  kind: SignalKind
  scope: string
  region: string
  nodes: readonly string[]
}

/** A signal that is open: what a rule goes on from after a restart of the collector. */
export interface OpenSignal {
  /** When its evidence began, epoch ms. */
  startedAt: number
  /** When it was noticed, epoch ms. */
  openedAt: number
  memory: SignalMemory | null
}

/** A node as rules see it. */
export interface NodeView {
  readonly id: string
  readonly region: string
  readonly state: ObservedState
  readonly problems: readonly string[]
  /** Since when it has been announced as down, epoch ms; null while it is not. */
  readonly downSince: number | null
  /** A drain took it out: an exit, or a restart while it is held. */
  readonly away: boolean
  /** A drain of it is under way, which explains what it loses. */
  readonly draining: boolean
  /** A drain or maintenance explains that its process ends and another begins. */
  readonly mayRestart: boolean
  /** How its newest poll ended; null before the first. */
  readonly outcome: PollOutcome | null
  /** Milliseconds by which its clock is ahead of ours; null where that is not known. */
  readonly clockSkewMs: number | null
  /** Where it is asked. Another place is another process, by somebody's wish. */
  readonly place: string
  /** It is out of service by a drain: it says so, or its drain does where it has no word for that. */
  readonly drained: boolean
  /** How far it has got in a drain that is under way; null before its turn, after it, and where there is none. */
  readonly step: StepView | null
}

/** One node of a drain, on its way out. */
export interface StepView {
  readonly phase: DrainStepPhase
  /** When it was asked to go, epoch ms. */
  readonly since: number
  /** What the plan said of this phase and those before it, in ms. */
  readonly plannedMs: number
  /** What the drain says at the moment. */
  readonly note: string | null
}

/** The fleet as rules see it, at the moment of the fact or of the look. */
export interface FleetView {
  regions(): readonly string[]
  nodes(): readonly NodeView[]
  node(id: string): NodeView | null
  nodesOf(region: string): readonly NodeView[]
  /** Since when the whole region has been announced as unreachable, epoch ms; null while it is not. */
  unreachableSince(region: string): number | null
  /** Hosts that have a tunnel there now. */
  registeredHosts(region: string): ReadonlySet<string>
  /** Whether a node was in maintenance at a moment (epoch ms): what happened to it then counts for nothing, also afterwards. */
  inMaintenance(node: string, at: number): boolean
}

/**
 * What happened: a good reading of a node, a poll of it that was none, or a stored event. All times are of the collector's clock, also
 * `facts.lastDeliveryAt`.
 */
export type SignalFact =
  | { type: 'reading'; node: string; at: number; facts: Facts }
  | { type: 'failed'; node: string; at: number; outcome: PollOutcome; reason: string }
  | { type: 'event'; event: FleetEvent }

export interface RuleContext<Thresholds> {
  readonly scope: RuleScope
  /** As configured for this scope. */
  readonly thresholds: Thresholds
  readonly fleet: FleetView
  /** The signal of this rule and scope, while it is open. */
  readonly open: OpenSignal | null
}

export interface LookContext<Thresholds> extends RuleContext<Thresholds> {
  /** Epoch ms. */
  readonly now: number
}

/** What `docs/signals.md` says of a signal. */
export interface RuleWords {
  /** "opens when …" */
  opens: string
  /** "closes when …" */
  closes: string
  severity: string
  /** What it is there for. */
  why: string
  /** What it leaves out on purpose, and other things that would surprise. */
  notes: readonly string[]
}

/**
 * One signal. Pure: it reads nothing but its arguments, no clock and no fleet of its own, so that the same facts say the same, live or
 * replayed. A state belongs to the rule alone: `take` may answer the one that it was given, changed.
 */
export interface SignalRule<State = unknown, Thresholds extends z.ZodObject = z.ZodObject> {
  readonly kind: SignalKind
  readonly of: 'node' | 'region'
  /** A default, `unit` and `description` for each field; see `threshold`. */
  readonly thresholds: Thresholds
  words(thresholds: z.output<Thresholds>): RuleWords
  /** Title of an incident in which it is open for several nodes; `nodes` is for example `3 nodes of fra`. */
  titleOfMany?(nodes: string): string
  /** What it is asked about once a second. */
  scopes(fleet: FleetView): readonly RuleScope[]
  /** The id of the scope that a fact says something of, or null. */
  about(fact: SignalFact, fleet: FleetView): string | null
  /** What is known before the first fact. */
  start(): State
  take(state: State, fact: SignalFact, context: RuleContext<z.output<Thresholds>>): State
  verdict(state: State, context: LookContext<z.output<Thresholds>>): SignalVerdict
  /** What is left of the state when an open signal has closed. */
  afterClose?(state: State): State
  /** Drops what is too old to matter; once a second. */
  forget?(state: State, now: number): State
}

export const defineRule = <State, Thresholds extends z.ZodObject>(
  rule: SignalRule<State, Thresholds>,
): SignalRule<State, Thresholds> => rule

export const nodeScope = ({ id, region }: Pick<NodeView, 'id' | 'region'>): RuleScope => ({
  id: `node:${id}`,
  region,
  nodes: [id],
})

/** Who a node is never changes: its scope is put together once, for all rules and looks. */
const scopes = new WeakMap<NodeView, RuleScope>()

/** A scope a node. */
export const everyNode = (fleet: FleetView): RuleScope[] =>
  fleet.nodes().map((node) => {
    const known = scopes.get(node)
    if (known !== undefined) return known
    const scope = nodeScope(node)
    scopes.set(node, scope)
    return scope
  })
