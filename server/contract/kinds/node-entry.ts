import { z } from 'zod'
import { NODE_KINDS, type NodeKind } from '../states.ts'
import { caddyEntrySchema } from './caddy.ts'
import { envoyEntrySchema } from './envoy.ts'
import { haproxyEntrySchema } from './haproxy.ts'
import { httpEntrySchema } from './http.ts'
import { jsonEntrySchema } from './json.ts'
import { nginxEntrySchema } from './nginx.ts'
import { prometheusEntrySchema } from './prometheus.ts'
import { tcpEntrySchema } from './tcp.ts'
import { tidegateEntrySchema } from './tidegate.ts'
import { tlsEntrySchema } from './tls.ts'

/** One entry a node; `kind` chooses the adapter that reads it. */
export const nodeEntrySchema = z.discriminatedUnion(
  'kind',
  [
    tidegateEntrySchema,
    jsonEntrySchema,
    prometheusEntrySchema,
    haproxyEntrySchema,
    envoyEntrySchema,
    caddyEntrySchema,
    nginxEntrySchema,
    httpEntrySchema,
    tcpEntrySchema,
    tlsEntrySchema,
  ],
  {
    error: (issue) =>
      issue.code === 'invalid_union'
        ? `must be one of ${NODE_KINDS.join(', ')}; other kinds of node are not read by this version`
        : undefined,
  },
)

/** The keys that entries of a kind may have. */
export const entryKeysOf = (kind: NodeKind): ReadonlySet<string> => {
  const schema = nodeEntrySchema.options.find(({ shape }) => shape.kind.value === kind)
  return new Set(Object.keys(schema?.shape ?? {}))
}
