import { z } from 'zod'

export type { LiveServerMessage, SamplePoint } from './answers/live.ts'

/** `overview`, `region:fra`, `node:fra-1`, `incident:ID`, `drain:ID`, `events`, `events?type=tunnel.*&region=fra&node=fra-1`. */
export const TOPIC_PATTERN =
  /^(?:overview|tunnels|(?:region|node|incident|drain):[A-Za-z0-9._-]{1,64}|events(?:\?[A-Za-z0-9=&.,*:_%-]{0,200})?)$/

export const liveClientSchema = z.discriminatedUnion('type', [
  z
    .object({
      type: z.literal('subscribe'),
      topics: z.array(z.string().max(256).regex(TOPIC_PATTERN, 'is not a topic')).min(1).max(64),
      after: z
        .object({ hub: z.string().max(64), seq: z.number().int().min(0) })
        .strict()
        .optional(),
      /** False: this client draws no samples and is sent none. True where it is absent in the client's first subscription. */
      samples: z.boolean().optional(),
    })
    .strict(),
  z.object({ type: z.literal('unsubscribe'), topics: z.array(z.string().max(256)).min(1).max(64) }).strict(),
  z.object({ type: z.literal('pong') }).strict(),
])
export type LiveClientMessage = z.infer<typeof liveClientSchema>
