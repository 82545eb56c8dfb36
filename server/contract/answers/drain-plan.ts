import { z } from 'zod'
import { count } from '../parts.ts'
import { plannedPhaseSchema } from './drain.ts'

export const drainNoticeSchema = z
  .object({ code: z.string(), message: z.string() })
  .meta({ id: 'DrainNotice' })
export type DrainNotice = z.infer<typeof drainNoticeSchema>

const held = count
  .nullable()
  .describe(
    'What the node holds now; null where that is not known: it has not answered yet, or does not count it',
  )

/** `POST /drains/preview`. */
export const drainPlanSchema = z
  .object({
    moves: z.array(
      z.object({ node: z.string(), connections: held, tunnels: held, requests: held, pushes: held }),
    ),
    nodes: z
      .array(
        z.object({
          node: z.string(),
          kind: z.string(),
          verb: z.string().nullable().describe('What takes it out, for people; null where nothing can'),
          proof: z
            .enum(['counted', 'none'])
            .describe('`none`: its step ends `unproven`, because nobody can tell whether it is empty'),
        }),
      )
      .describe('What is done to each node, and what will be proved'),
    forecast: z.array(
      z.object({
        region: z.string(),
        tunnelsNow: count.nullable().describe('Null where nobody counts them'),
        tunnelsAfter: z.number().nullable().describe('Null where `tunnelsNow` is'),
        capacity: count.optional(),
        reconnectsPerSecond: z.number(),
      }),
    ),
    phases: z.array(plannedPhaseSchema),
    totalSeconds: z.number().describe('Sum of `phases`'),
    blockers: z.array(drainNoticeSchema),
    warnings: z.array(drainNoticeSchema),
  })
  .meta({ id: 'DrainPlan' })
export type DrainPlan = z.infer<typeof drainPlanSchema>
