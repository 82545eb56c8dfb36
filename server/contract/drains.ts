import { z } from 'zod'
import type { DrainNotice } from './answers/drain-plan.ts'
import { strategySchema } from './strategy.ts'
import { line } from './text.ts'

export type {
  Drain,
  DrainMove,
  DrainOutcome,
  DrainReport,
  DrainStep,
  GapStatistics,
  HeldPart,
  PlannedPhase,
  Remaining,
} from './answers/drain.ts'
export type { DrainNotice, DrainPlan } from './answers/drain-plan.ts'
export { type Strategy, strategySchema } from './strategy.ts'

/** Whether an administrator may override it: not what cannot be done, whatever the risk that somebody takes. */
export const isForceable = ({ code }: DrainNotice): boolean =>
  code !== 'cannot_drain' && code !== 'cannot_exit'

const subject = {
  region: z.string().min(1).max(63).describe('Id of the region to drain; this or `node`').optional(),
  node: z.string().min(1).max(63).describe('Id of the node to drain; this or `region`').optional(),
  strategy: strategySchema.partial().describe('How it is drained; each field has a default').optional(),
}
const oneSubject = (body: { region?: string | undefined; node?: string | undefined }) =>
  (body.region === undefined) !== (body.node === undefined)
const oneSubjectMessage = { message: 'name either a region or a node', path: ['region'] }

export const drainPreviewSchema = z
  .object(subject)
  .strict()
  .refine(oneSubject, oneSubjectMessage)
  .meta({
    description: 'What would be drained, and how',
    examples: [{ region: 'fra', strategy: { maxUnavailable: 2 } }],
  })
export type DrainPreviewRequest = z.infer<typeof drainPreviewSchema>

export const drainCreateSchema = z
  .object({
    ...subject,
    reason: line(500, 'say why, for example kernel update').describe('Why, for the audit and the report'),
    confirm: z.string().max(63).describe('The id of that region or node again, typed by the operator'),
    force: z.boolean().describe('Overrides blockers; needs the role admin').optional(),
  })
  .strict()
  .refine(oneSubject, oneSubjectMessage)
  .meta({
    description: 'What is drained, how and why',
    examples: [
      { region: 'fra', reason: 'kernel update', confirm: 'fra' },
      {
        node: 'fra-1',
        reason: 'kernel update',
        confirm: 'fra-1',
        strategy: { deadlineSeconds: 120, onDeadline: 'force' },
      },
    ],
  })
export type DrainCreateRequest = z.infer<typeof drainCreateSchema>

export const drainActionSchema = z
  .object({
    version: z
      .number()
      .int()
      .min(1)
      .describe('`version` of the drain as last read; refused where somebody changed it since'),
    end: z
      .enum(['serving', 'held'])
      .describe('Of an abort: whether the nodes serve again or stay out of service')
      .optional(),
  })
  .strict()
  .meta({ description: 'The drain as the caller knows it', examples: [{ version: 3 }] })
export type DrainActionRequest = z.infer<typeof drainActionSchema>
export const DRAIN_ACTIONS = ['pause', 'continue', 'abort', 'resume'] as const
export type DrainAction = (typeof DRAIN_ACTIONS)[number]
