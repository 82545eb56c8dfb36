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
