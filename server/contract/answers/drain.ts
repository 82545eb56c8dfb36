import { z } from 'zod'
import { count, isoTime, milliseconds, pageSchema } from '../parts.ts'
import { DRAIN_PHASES, DRAIN_STATES, DRAIN_STEP_PHASES } from '../states.ts'
import { strategySchema } from '../strategy.ts'

/** Most programs hold no tunnels and no pushes, and some do not count requests: what nobody counted is null, and never 0. */
const counted = count.nullable()

export const remainingSchema = z
  .object({ connections: count, requests: counted, tunnels: counted, pushes: counted })
  .meta({ id: 'Remaining', description: 'What a node holds; null of each that it does not count' })
export type Remaining = z.infer<typeof remainingSchema>

/**
 * How a step ended for its node: `empty` proved empty and held so, `unproven` asked to go and held so, though nobody can prove that it
 * is empty, `exited` its process has ended, `kept_serving` it never left service or came back before it was empty, `back` it was out and
 * serves again, `held` the drain ended and the node stays out on purpose, `out` the drain ended and the node could not be brought back.
 */
export const DRAIN_OUTCOMES = ['empty', 'unproven', 'exited', 'kept_serving', 'back', 'held', 'out'] as const
export type DrainOutcome = (typeof DRAIN_OUTCOMES)[number]

export const drainStepSchema = z
  .object({
    node: z.string(),
    phase: z
      .enum(DRAIN_STEP_PHASES)
      .describe('The furthest phase that was reached; `outcome` says what became of the node'),
    startedAt: isoTime.nullable(),
    endedAt: isoTime.nullable(),
    outcome: z.enum(DRAIN_OUTCOMES).describe('Absent while the step is on its way').optional(),
    remaining: remainingSchema.nullable().describe('Null where it is not known at the moment'),
  })
  .meta({ id: 'DrainStep' })
export type DrainStep = z.infer<typeof drainStepSchema>

export const gapStatisticsSchema = z
  .object({
    count: count.describe('Tunnels that moved and whose gap was measured'),
    moved: count.describe(
      'Tunnels that are registered elsewhere now, whether or not their gap could be measured',
    ),
    stayed: count.describe('Tunnels that never left their node, or are registered there again'),
    p50Ms: milliseconds.nullable(),
    p99Ms: milliseconds.nullable(),
    maxMs: milliseconds.nullable(),
    missing: count.describe(
      'Tunnels that were there at the start and are registered neither there nor elsewhere',
    ),
  })
  .meta({
    id: 'GapStatistics',
    description: 'Every tunnel in scope is counted once in `moved`, `stayed` or `missing`',
  })
export type GapStatistics = z.infer<typeof gapStatisticsSchema>

export const drainMoveSchema = z
  .object({
    hostId: z.string(),
    from: z.string(),
    to: z.string().nullable().describe('Null until the host is registered elsewhere'),
    gapMs: milliseconds.nullable(),
    at: isoTime.nullable(),
    state: z
      .enum(['here', 'moved', 'nowhere'])
      .describe('Where the host is: still on its node, elsewhere, or registered nowhere')
      .optional(),
  })
  .meta({ id: 'DrainMove' })
export type DrainMove = z.infer<typeof drainMoveSchema>

export const drainReportSchema = z
  .object({
    gaps: gapStatisticsSchema,
    connections: z
      .object({ finished: counted, aborted: counted })
      .describe('At the nodes that count them; null where none of the nodes does'),
    requestsFailed: counted.describe(
      'Requests refused or failed as visitors saw them because of the drain: at the drained nodes, and at relays elsewhere that were asked for a host whose former owner was one of them. Null where none of the drained nodes counts them',
    ),
    phases: z
      .array(
        z.object({
          node: z.string(),
          phase: z.enum(DRAIN_PHASES),
          actualMs: milliseconds,
          budgetMs: milliseconds.nullable(),
        }),
      )
      .describe('`budgetMs` is what the plan said of that phase'),
    moves: z.array(drainMoveSchema),
    durationMs: milliseconds,
    notes: z.array(z.string()),
  })
  .meta({ id: 'DrainReport' })
export type DrainReport = z.infer<typeof drainReportSchema>

export const plannedPhaseSchema = z
  .object({
    node: z.string(),
    phase: z.enum([...DRAIN_PHASES, 'proving']),
    seconds: z
      .number()
      .describe(
        'Expected at most, in the ordinary case: the budgets of the node, or the pace and deadline of the drain where they are shorter or asked for',
      ),
    limitSeconds: z
      .number()
      .nullable()
      .describe('What ends the phase by force, in seconds; null where nothing is cut (`onDeadline: wait`)')
      .optional(),
  })
  .meta({ id: 'PlannedPhase' })
export type PlannedPhase = z.infer<typeof plannedPhaseSchema>

export const drainSchema = z
  .object({
    id: z.string(),
    region: z.string().optional(),
    node: z.string().optional(),
    reason: z.string(),
    strategy: strategySchema,
    state: z.enum(DRAIN_STATES),
    version: z.number().int().describe('Changes only with `state`'),
    createdAt: isoTime,
    createdBy: z.string(),
    updatedAt: isoTime,
    updatedBy: z.string(),
    note: z.string().nullable().describe('Why it paused or failed, in a sentence'),
    steps: z.array(drainStepSchema),
    moves: z.array(drainMoveSchema).describe('Every tunnel that was in scope at the start, by name'),
    budget: z
      .array(plannedPhaseSchema)
      .describe('The time line that the plan showed, node by node')
      .optional(),
    report: drainReportSchema.optional(),
  })
  .meta({ id: 'Drain' })
export type Drain = z.infer<typeof drainSchema>

export const drainPageSchema = pageSchema(drainSchema)

/** A region or node that a drain has out of service although nothing moves any more: it waits for somebody's Resume. */
export const heldPartSchema = z
  .object({
    region: z.string().optional(),
    node: z.string().optional(),
    nodes: z.array(z.string()).describe('Nodes that are out of service'),
    drainId: z.string(),
    state: z.enum(DRAIN_STATES).describe('State of that drain'),
    version: z.number().int().describe('Version of that drain, as POST /drains/{id}/resume needs it'),
    since: isoTime,
    reason: z.string(),
  })
  .meta({ id: 'HeldPart' })
export type HeldPart = z.infer<typeof heldPartSchema>
