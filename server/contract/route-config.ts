import { z } from 'zod'
import { actionSchema } from './route-action.ts'

const port = z.number().int().min(0).max(65_535)
const firstPort = port.meta({ description: 'First port of a range', examples: [8000] })
const lastPort = port.meta({ description: 'Last port of a range', examples: [8010] })
const portRange = z.object({ from: firstPort, to: lastPort }).strict()

/** `8080`, `[80, 8080]`, `{from: 8000, to: 8010}` or `"8000-8010"`. */
const portsSchema = z.union(
  [
    port,
    z.string().regex(/^\d{1,5}-\d{1,5}$/, 'must be a port, a list of ports, or a range such as "8000-8010"'),
    portRange,
    z
      .array(z.union([port, portRange]))
      .min(1)
      .max(256),
  ],
  { error: 'must be a port, a list of ports, or a range such as "8000-8010"' },
)

const matchSchema = z
  .object({
    ports: portsSchema.meta({
      description: 'Ports that are listened on: one, a list, or a range; 0 takes a free one',
      examples: [443, [80, 8080], '8000-8010', { from: 8000, to: 8010 }],
    }),
    domains: z
      .union([z.string().min(1).max(255), z.array(z.string().min(1).max(255)).min(1).max(256)])
      .optional()
      .meta({
        description:
          'Exact or `*.example.com`. With TLS it is the name that the client asks for (SNI); otherwise, or where TLS ends here, a route with domains or a path speaks HTTP',
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

/** One route of the proxy: what it takes and what is done with it. Rules that concern several keys, or several routes, are the proxy's. */
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
    match: matchSchema.meta({
      description: 'What the route takes',
      examples: [{ ports: 443, domains: 'example.com' }],
    }),
    action: actionSchema.meta({
      description: 'What is done with it',
      examples: [{ type: 'forward', targets: [{ host: '10.0.0.7', port: 8080 }] }],
    }),
  })
  .strict()
export type RouteConfig = z.infer<typeof routeSchema>
