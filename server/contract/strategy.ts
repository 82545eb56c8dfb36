import { z } from 'zod'

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
