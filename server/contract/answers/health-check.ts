import { z } from 'zod'

/** `GET /healthz/live`. */
export const liveSchema = z.object({ live: z.literal(true) }).meta({ id: 'Live' })

/** `GET /healthz/ready`. */
export const readySchema = z
  .object({ ready: z.boolean(), reason: z.string().nullable() })
  .meta({ id: 'Ready' })
