import { z } from 'zod'
import { authFields } from './kinds/entry.ts'
import { NODE_KINDS } from './states.ts'

/**
 * A system to look at: an entry of `nodes` as far as it is known. `id` and `region` may be left out, and so may `kind`: then it is guessed
 * from `url`, `socket` or `address`. Files (`ca`, `cert`, `key`) are those of the machine that looks; references are not replaced.
 */
export const nodeProbeRequestSchema = z
  .looseObject({
    kind: z
      .enum(NODE_KINDS, { error: `must be one of ${NODE_KINDS.join(', ')}` })
      .describe('What it is; guessed, where this is left out')
      .optional(),
    url: z.string().max(2_048).describe('Where it answers over HTTP').optional(),
    socket: z.string().max(4_096).describe('Path of its Unix socket').optional(),
    address: z.string().max(300).describe('Host and port, where it speaks something else').optional(),
    token: z.string().max(512).describe('Control token of a Tidegate node').optional(),
    ...authFields,
  })
  .refine(
    ({ url, socket, address }) => [url, socket, address].filter((where) => where !== undefined).length === 1,
    {
      message: 'must name one of url, socket and address, for example http://127.0.0.1:9901',
      path: ['url'],
    },
  )
  .meta({
    description:
      "A system to look at: an entry of `nodes` as far as it is known. Files (`ca`, `cert`, `key`) are those of the collector's machine, relative to its configuration file; references are not replaced",
    examples: [{ url: 'http://127.0.0.1:9901' }, { kind: 'haproxy', socket: '/run/haproxy/admin.sock' }],
  })
export type NodeProbeRequest = z.infer<typeof nodeProbeRequestSchema>
