import { z } from 'zod'
import type { IsoTime } from './ids.ts'
import type { DrainPhase, DrainState, DrainStepPhase } from './states.ts'
import { line } from './text.ts'

/** How an operator wants a drain done; every field has a default. */
export const strategySchema = z
  .object({
    maxUnavailable: z.number().int().min(1).max(100).default(1),
    /** Pace of phase 3; absent: as fast as slices allow. */
    tunnelsPerSecond: z.number().positive().max(10_000).optional(),
    deadlineSeconds: z.number().int().min(0).max(86_400).default(300),
    onDeadline: z.enum(['wait', 'force', 'resume']).default('wait'),
    mode: z.enum(['hold', 'exit']).default('hold'),
    startAt: z.iso.datetime().optional(),
  })
  .strict()
export type Strategy = z.infer<typeof strategySchema>

const subject = {
  region: z.string().min(1).max(63).optional(),
  node: z.string().min(1).max(63).optional(),
  strategy: strategySchema.partial().optional(),
}
const oneSubject = (body: { region?: string | undefined; node?: string | undefined }) =>
  (body.region === undefined) !== (body.node === undefined)
const oneSubjectMessage = { message: 'name either a region or a node', path: ['region'] }

export const drainPreviewSchema = z.object(subject).strict().refine(oneSubject, oneSubjectMessage)
export type DrainPreviewRequest = z.infer<typeof drainPreviewSchema>

export const drainCreateSchema = z
  .object({
    ...subject,
    reason: line(500, 'say why, for example kernel update'),
    /** The id of that region or node, typed by the operator. */
    confirm: z.string().max(63),
    force: z.boolean().optional(),
  })
  .strict()
  .refine(oneSubject, oneSubjectMessage)
export type DrainCreateRequest = z.infer<typeof drainCreateSchema>

export const drainActionSchema = z
  .object({ version: z.number().int().min(1), end: z.enum(['serving', 'held']).optional() })
  .strict()
export type DrainActionRequest = z.infer<typeof drainActionSchema>
export const DRAIN_ACTIONS = ['pause', 'continue', 'abort', 'resume'] as const
export type DrainAction = (typeof DRAIN_ACTIONS)[number]

export interface Remaining {
  connections: number
  requests: number
  tunnels: number
  pushes: number
}

/**
 * How a step ended for its node: `empty` proved empty and held so, `exited` its process has ended, `kept_serving` it never left
 * service or came back before it was empty, `back` it was empty and serves again, `held` the drain ended and the node stays out on
 * purpose, `out` the drain ended and the node could not be brought back.
 */
export const DRAIN_OUTCOMES = ['empty', 'exited', 'kept_serving', 'back', 'held', 'out'] as const
export type DrainOutcome = (typeof DRAIN_OUTCOMES)[number]

export interface DrainStep {
  node: string
  /** The furthest phase that was reached; `outcome` says what became of the node. */
  phase: DrainStepPhase
  startedAt: IsoTime | null
  endedAt: IsoTime | null
  /** Absent while the step is on its way. */
  outcome?: DrainOutcome
  /** Null where it is not known at the moment. */
  remaining: Remaining | null
}

/** Every tunnel in scope is counted once in `moved`, `stayed` or `missing`. */
export interface GapStatistics {
  /** Tunnels that moved and whose gap was measured. */
  count: number
  /** Tunnels that are registered elsewhere now, whether or not their gap could be measured. */
  moved: number
  /** Tunnels that never left their node, or are registered there again. */
  stayed: number
  p50Ms: number | null
  p99Ms: number | null
  maxMs: number | null
  /** Tunnels that were there at the start and are registered neither there nor elsewhere. */
  missing: number
}

export interface DrainMove {
  hostId: string
  from: string
  /** Null until the host is registered elsewhere. */
  to: string | null
  gapMs: number | null
  at: IsoTime | null
  /** Where the host is: still on its node, elsewhere, or registered nowhere. */
  state?: 'here' | 'moved' | 'nowhere'
}

export interface DrainReport {
  gaps: GapStatistics
  connections: { finished: number; aborted: number }
  /**
   * Requests refused or failed as visitors saw them because of the drain: at the drained nodes, and at relays elsewhere that were
   * asked for a host whose former owner was one of them.
   */
  requestsFailed: number
  /** `budgetMs` is what the plan said of that phase. */
  phases: { node: string; phase: DrainPhase; actualMs: number; budgetMs: number | null }[]
  moves: DrainMove[]
  durationMs: number
  notes: string[]
}

export interface Drain {
  id: string
  region?: string
  node?: string
  reason: string
  strategy: Strategy
  state: DrainState
  /** Changes only with `state`. */
  version: number
  createdAt: IsoTime
  createdBy: string
  updatedAt: IsoTime
  updatedBy: string
  /** Why it paused or failed, in a sentence. */
  note: string | null
  steps: DrainStep[]
  /** Every tunnel that was in scope at the start, by name. */
  moves: DrainMove[]
  /** The time line that the plan showed, node by node. */
  budget?: PlannedPhase[]
  report?: DrainReport
}

export interface DrainNotice {
  code: string
  message: string
}

export interface PlannedPhase {
  node: string
  phase: DrainPhase | 'proving'
  /** Expected at most, in the ordinary case: the budgets of the node, or the pace and deadline of the drain where they are shorter or asked for. */
  seconds: number
  /** What ends the phase by force, in seconds; null where nothing is cut (`onDeadline: wait`). */
  limitSeconds?: number | null
}

/** A region or node that a drain has out of service although nothing moves any more: it waits for somebody's Resume. */
export interface HeldPart {
  region?: string
  node?: string
  /** Nodes that are out of service. */
  nodes: string[]
  drainId: string
  /** State and version of that drain, as `POST /drains/:id/resume` needs it. */
  state: DrainState
  version: number
  since: IsoTime
  reason: string
}

export interface DrainPlan {
  moves: { node: string; connections: number; tunnels: number; requests: number; pushes: number }[]
  forecast: {
    region: string
    tunnelsNow: number
    tunnelsAfter: number
    capacity?: number
    reconnectsPerSecond: number
  }[]
  phases: PlannedPhase[]
  /** Sum of `phases`. */
  totalSeconds: number
  blockers: DrainNotice[]
  warnings: DrainNotice[]
}
