import { z } from 'zod'

/** How an operator wants a drain done; every field has a default. */
export const strategySchema = z
  .object({
    maxUnavailable: z
      .number()
      .int()
      .min(1)
      .max(100)
      .describe('Nodes that may be out of service at the same time')
      .default(1),
    tunnelsPerSecond: z
      .number()
      .positive()
      .max(10_000)
      .describe('The pace at which tunnels move; as fast as possible, where this is left out')
      .optional(),
    deadlineSeconds: z
      .number()
      .int()
      .min(0)
      .max(86_400)
      .describe('How long connections of a node may take to end by themselves')
      .default(300),
    onDeadline: z
      .enum(['wait', 'force', 'resume'])
      .describe('Then: `wait` on, `force` what is left to end, or `resume` the node')
      .default('wait'),
    mode: z
      .enum(['hold', 'exit'])
      .describe('`hold` keeps the empty nodes out of service, `exit` ends their processes')
      .default('hold'),
    startAt: z.iso.datetime().describe('When it begins; at once, where this is left out').optional(),
  })
  .strict()
export type Strategy = z.infer<typeof strategySchema>
