import { z } from 'zod'
import { port } from './config-fields.ts'

const firstPort = port.meta({ description: 'First port of a range', examples: [8000] })
const lastPort = port.meta({ description: 'Last port of a range', examples: [8010] })
const portRange = z.object({ from: firstPort, to: lastPort }).strict()

const NO_PORTS = 'must be a port, a list of ports, or a range such as "8000-8010"'

/** `8080`, `[80, 8080]`, `{from: 8000, to: 8010}` or `"8000-8010"`. */
const portsSchema = z.union(
  [
    port,
    z.string().regex(/^\d{1,5}-\d{1,5}$/, NO_PORTS),
    portRange,
    z
      .array(z.union([port, portRange]))
      .min(1)
      .max(256),
  ],
  { error: NO_PORTS },
)

/** Where a route leads. */
const targetSchema = z
  .object({
    host: z
      .string()
      .min(1)
      .max(255)
      .meta({ description: 'Name or address of the target', examples: ['10.0.0.7'] }),
    port: z.union([port.min(1), z.literal('preserve')]).meta({
      description: 'Port of the target; `preserve` takes that at which the client came',
      examples: [8080, 'preserve'],
    }),
  })
  .strict()

/** What a proxy takes, and what it does with it. */
export const routeSchema = z
  .object({
    name: z
      .string()
      .min(1)
      .max(64)
      .meta({ description: 'Name of the route, in records and errors', examples: ['site'] }),
    priority: z
      .number()
      .int()
      .optional()
      .meta({
        description: 'Where several routes match, the highest is taken; then the most specific',
        default: 0,
        examples: [10],
      }),
    match: z
      .object({
        ports: portsSchema.meta({
          description: 'Ports that are listened on: one, a list, or a range; 0 takes a free one',
          examples: [443, [80, 8080], '8000-8010', { from: 8000, to: 8010 }],
        }),
        domains: z
          .union([z.string().min(1).max(255), z.array(z.string().min(1).max(255)).min(1).max(256)])
          .optional()
          .meta({
            description: 'Exact or `*.example.com`; a route with domains or a path speaks HTTP',
            examples: [['example.com', '*.example.com']],
          }),
        path: z
          .string()
          .startsWith('/')
          .max(1024)
          .optional()
          .meta({ description: 'Path of requests, with `*` for any rest', examples: ['/api/*'] }),
      })
      .strict()
      .meta({ description: 'What the route takes', examples: [{ ports: 443, domains: 'example.com' }] }),
    action: z
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
      })
      .strict()
      .meta({
        description: 'What is done with it',
        examples: [{ type: 'forward', targets: [{ host: '10.0.0.7', port: 8080 }] }],
      }),
  })
  .strict()
export type RouteConfig = z.infer<typeof routeSchema>
