import { z } from 'zod'
import { port } from './config-fields.ts'
import { actionSchema } from './route-action.ts'
import { routeSecuritySchema } from './route-security.ts'

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

/** One, or a list. How each is written is checked with the routes as a whole. */
const addresses = z.union([z.string().min(1).max(64), z.array(z.string().min(1).max(64)).min(1).max(4096)], {
  error: 'must be an address, a range, or a list of them',
})
const tlsVersion = z.enum(['1.0', '1.1', '1.2', '1.3'])

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
      .meta({
        description:
          'Path of requests, with `*` for any rest, and `:name` for one part, which targets and redirects may use as `{name}`',
        examples: ['/api/*', '/users/:id'],
      }),
    clientIp: addresses.optional().meta({
      description: 'Addresses of clients: exact, a range, or a pattern such as `10.0.*.7`',
      examples: [['10.0.0.0/8', '192.0.2.7']],
    }),
    headers: z
      .record(
        z.string().regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}$/, 'must be the name of a header field'),
        z.string().max(1024),
      )
      .optional()
      .meta({
        description:
          'Header fields that a request must have, each with this value; `*` in it stands for anything',
        examples: [{ 'x-canary': '1' }],
      }),
    tlsVersion: z
      .union([tlsVersion, z.array(tlsVersion).min(1).max(4)], {
        error: 'must be 1.0, 1.1, 1.2 or 1.3 in quotes, or a list of them',
      })
      .optional()
      .meta({
        description: 'On a port with TLS: the highest version that the client offers',
        examples: [['1.3']],
      }),
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
    security: routeSecuritySchema.optional().meta({
      description: 'Who may use the route, and how much; asked before a target is dialled',
      examples: [{ ipAllowList: ['10.0.0.0/8'], maxConnectionsPerIp: 50 }],
    }),
  })
  .strict()
export type RouteConfig = z.infer<typeof routeSchema>
