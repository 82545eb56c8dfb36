import { z } from 'zod'
import { isoTime, milliseconds, pageSchema } from '../parts.ts'

export const tunnelSchema = z
  .object({
    hostId: z.string(),
    region: z.string(),
    node: z.string(),
    state: z.enum(['registered', 'lost']),
    since: isoTime,
    lastGapMs: milliseconds.nullable(),
    lastCloseCode: z.number().int().nullable(),
    lastCloseMeaning: z.string().nullable(),
    previousNode: z.string().nullable().describe('Where it was before it came here'),
    presence: z.object({
      directory: z.string().nullable().describe('The node that owns the host, as the directory has it'),
      relay: z.boolean().describe('The relay itself holds the tunnel'),
      lastPongAt: isoTime.nullable(),
    }),
  })
  .meta({ id: 'Tunnel' })
export type Tunnel = z.infer<typeof tunnelSchema>

export const tunnelPageSchema = pageSchema(tunnelSchema)
