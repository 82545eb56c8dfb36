import { z } from 'zod'

const port = z.number().int().min(1).max(65_535)

/** What a ClientHello is used for, and where TLS ends. Which keys belong to which mode is checked with the routes as a whole. */
const tlsSchema = z
  .object({
    mode: z.enum(['passthrough']).meta({
      description:
        '`passthrough`: the name in the ClientHello chooses the route, and TLS goes on to the target untouched',
      examples: ['passthrough'],
    }),
  })
  .strict()

const targetSchema = z
  .object({
    host: z
      .string()
      .min(1)
      .max(255)
      .meta({ description: 'Name or address of the target', examples: ['10.0.0.7'] }),
    port: z.union([port, z.literal('preserve')]).meta({
      description: 'Port of the target; `preserve` takes that at which the client came',
      examples: [8080, 'preserve'],
    }),
  })
  .strict()

const tls = tlsSchema.optional().meta({
  description: 'On a port that takes TLS: how. All routes of such a port have it',
  examples: [{ mode: 'passthrough' }],
})

const forwardSchema = z
  .object({
    type: z
      .literal('forward')
      .meta({ description: 'What is done: forwarded to a target', examples: ['forward'] }),
    targets: z
      .array(targetSchema)
      .min(1)
      .max(256)
      .meta({
        description: 'Where to; several are taken in turn',
        examples: [[{ host: '10.0.0.7', port: 8080 }]],
      }),
    protocol: z
      .enum(['tcp', 'http'])
      .optional()
      .meta({
        description:
          '`http` reads requests also where no domain or path is matched. Without it: `tcp`, or `http` where one is',
        examples: ['http'],
      }),
    tls,
  })
  .strict()

/** What is done with what a route takes. */
export const actionSchema = forwardSchema
export type ActionConfig = z.infer<typeof actionSchema>
