import { z } from 'zod'
import { port } from './config-fields.ts'

/** PEM: a file's path, or the text itself (`-----BEGIN …`), as a reference to the environment brings it. */
const pem = (what: string, example: string) =>
  z
    .string()
    .min(1)
    .max(262_144)
    .meta({ description: `${what}: a PEM file, or the PEM text itself`, examples: [example] })

const certificateSchema = z
  .object({
    cert: pem('The certificate, and those between it and its authority', './site.pem'),
    key: pem('Its private key, without a passphrase. A secret: name a file, or refer to it', './site.key'),
  })
  .strict()

/** What a ClientHello is used for, and where TLS ends. Which keys belong to which mode is checked with the routes as a whole. */
const tlsSchema = z
  .object({
    mode: z.enum(['passthrough', 'terminate', 'terminate-and-reencrypt']).meta({
      description:
        '`passthrough`: the name in the ClientHello chooses the route, and TLS goes on to the target untouched. `terminate`: TLS ends here. `terminate-and-reencrypt`: it ends here, and targets are spoken to by TLS again',
      examples: ['terminate'],
    }),
    certificate: z
      .union([z.literal('auto'), certificateSchema], { error: 'must be auto, or { cert, key }' })
      .optional()
      .meta({
        description:
          'What is shown to clients; needed where TLS ends here. `auto`: had by ACME, for each of the names in `domains`, as `proxy.acme` says',
        examples: [{ cert: './site.pem', key: './site.key' }, 'auto'],
      }),
    minVersion: z
      .enum(['1.2', '1.3'])
      .optional()
      .meta({ description: 'The oldest version of TLS that is spoken', default: '1.2', examples: ['1.3'] }),
    alpn: z
      .array(z.string().min(1).max(255))
      .min(1)
      .max(16)
      .optional()
      .meta({
        description:
          'Protocols that are offered, the preferred one first. Without it: `http/1.1` where requests are read, none where bytes are carried',
        examples: [['http/1.1']],
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
    port: z.union([port.min(1), z.literal('preserve')]).meta({
      description: 'Port of the target; `preserve` takes that at which the client came',
      examples: [8080, 'preserve'],
    }),
    weight: z
      .number()
      .int()
      .min(1)
      .max(256)
      .optional()
      .meta({
        description: 'Its share beside the other targets of the route',
        default: 1,
        examples: [2],
      }),
    tls: z
      .object({
        ca: pem('The authorities that are trusted, instead of the built-in ones', './ca.pem')
          .optional()
          .meta({
            description:
              'The authorities that are trusted, instead of the built-in ones: a PEM file, or the PEM text itself',
            examples: ['./ca.pem'],
          }),
        servername: z
          .string()
          .min(1)
          .max(255)
          .optional()
          .meta({
            description:
              "The name that is asked for, and that its certificate must be for. Without it: the target's host",
            examples: ['app.internal'],
          }),
      })
      .strict()
      .optional()
      .meta({
        description:
          'The target is spoken to by TLS. Without it only where the mode is `terminate-and-reencrypt`',
        examples: [{ ca: './ca.pem', servername: 'app.internal' }],
      }),
  })
  .strict()

export type TargetConfig = z.infer<typeof targetSchema>

const tls = tlsSchema.optional().meta({
  description: 'On a port that takes TLS: how. All routes of such a port have it',
  examples: [{ mode: 'terminate', certificate: { cert: './site.pem', key: './site.key' } }],
})

const healthSchema = z
  .object({
    path: z
      .string()
      .max(2048)
      .regex(/^\/[\x21-\x7e]*$/, 'must be a path of printable ASCII that begins with `/`')
      .optional()
      .meta({
        description:
          'Path that is asked for, where requests are read; an answer of 2xx or 3xx passes. Without it, and where bytes are carried, connecting is the whole check',
        examples: ['/healthz'],
      }),
    intervalMs: z
      .number()
      .int()
      .min(1_000)
      .max(3_600_000)
      .optional()
      .meta({
        description: 'Milliseconds between two checks of one target, changed by up to a tenth each time',
        default: 5000,
        examples: [2000],
      }),
    rise: z
      .number()
      .int()
      .min(1)
      .max(100)
      .optional()
      .meta({ description: 'Checks in a row that bring a target back', default: 2, examples: [3] }),
    fall: z
      .number()
      .int()
      .min(1)
      .max(100)
      .optional()
      .meta({
        description:
          'Failures in a row that take a target out: of checks, of connections to it, or of requests that it did not answer in time',
        default: 3,
        examples: [2],
      }),
  })
  .strict()

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
        description: 'Where to; `balance` says how several share what comes',
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
    balance: z
      .enum(['round-robin', 'least-connections', 'client-hash'])
      .optional()
      .meta({
        description:
          '`round-robin`: by weight, in turn. `least-connections`: who has the fewest for its weight. `client-hash`: each client its own target, for as long as that is up',
        default: 'round-robin',
        examples: ['least-connections'],
      }),
    health: healthSchema.optional().meta({
      description:
        'Targets are asked all the time whether they are well. Without it only what clients meet counts: one failed connection, or three requests in a row without an answer',
      examples: [{ path: '/healthz', intervalMs: 5000, rise: 2, fall: 3 }],
    }),
    proxyProtocol: z
      .enum(['v1', 'v2'])
      .optional()
      .meta({
        description:
          'Each connection to a target begins with a header of the PROXY protocol that says whose it is. With HTTP each request then has a connection of its own',
        examples: ['v2'],
      }),
    tls,
  })
  .strict()

const redirectSchema = z
  .object({
    type: z
      .literal('redirect')
      .meta({ description: 'What is done: the client is sent elsewhere', examples: ['redirect'] }),
    to: z
      .string()
      .min(1)
      .max(2048)
      .meta({
        description:
          'Where to: a URL, or a path that begins with `/`. `{host}`, `{path}` and `{query}` (with its `?`) stand for those of the request',
        examples: ['https://{host}{path}{query}'],
      }),
    status: z
      .union([301, 302, 303, 307, 308].map((status) => z.literal(status)))
      .optional()
      .meta({ description: 'Status of the answer', default: 308, examples: [302] }),
    tls,
  })
  .strict()

const blockSchema = z
  .object({
    type: z.literal('block').meta({ description: 'What is done: refused', examples: ['block'] }),
    status: z
      .number()
      .int()
      .min(400)
      .max(599)
      .optional()
      .meta({
        description: 'Status of the answer, where requests are read; a connection of bytes is closed',
        default: 403,
        examples: [410],
      }),
    tls,
  })
  .strict()

const staticSchema = z
  .object({
    type: z.literal('static').meta({ description: 'What is done: answered from here', examples: ['static'] }),
    status: z
      .number()
      .int()
      .min(200)
      .max(599)
      .optional()
      .meta({ description: 'Status of the answer', default: 200, examples: [200] }),
    headers: z
      .record(
        z.string().regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}$/, 'must be the name of a header field'),
        z
          .string()
          .max(4096)
          .regex(/^[\x20-\x7e]*$/, 'must be printable ASCII, which a header can carry'),
      )
      .optional()
      .meta({ description: 'Header fields of the answer', examples: [{ 'content-type': 'text/plain' }] }),
    body: z
      .string()
      .max(262_144)
      .optional()
      .meta({ description: 'The answer itself', examples: ['User-agent: *\nDisallow: /\n'] }),
    file: z
      .string()
      .min(1)
      .max(4096)
      .optional()
      .meta({ description: 'A file that is the answer, instead of `body`', examples: ['./robots.txt'] }),
    root: z
      .string()
      .min(1)
      .max(4096)
      .optional()
      .meta({
        description:
          'A folder of files, instead of `body`: what the `*` at the end of `path` stands for is looked up in it, or the whole path',
        examples: ['./public'],
      }),
    tls,
  })
  .strict()

const socketSchema = z
  .object({
    type: z.literal('socket').meta({
      description: 'What is done: a function of yours carries the connection',
      examples: ['socket'],
    }),
    module: z
      .string()
      .min(1)
      .max(4096)
      .meta({ description: 'The module that has it', examples: ['./echo.mjs'] }),
    export: z
      .string()
      .min(1)
      .max(128)
      .optional()
      .meta({ description: 'Its name in the module', default: 'default', examples: ['echo'] }),
    tls,
  })
  .strict()

/** What is done with what a route takes. */
export const actionSchema = z.discriminatedUnion('type', [
  forwardSchema,
  redirectSchema,
  blockSchema,
  staticSchema,
  socketSchema,
])
export type ActionConfig = z.infer<typeof actionSchema>
export type ActionOf<Type extends ActionConfig['type']> = Extract<ActionConfig, { type: Type }>
