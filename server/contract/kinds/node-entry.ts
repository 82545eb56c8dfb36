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

/** `; did you mean nginx?` where a kind was written with at most two wrong letters; else nothing. */
const meantWords = (input: unknown): string => {
  const written = typeof input === 'object' && input !== null && 'kind' in input ? input.kind : input
  // A kind that is long is no slip of a finger.
  if (typeof written !== 'string' || written.length > 20) return ''
  const [near] = NODE_KINDS.map((kind) => ({ kind, wrong: wrongLetters(written.toLowerCase(), kind) }))
    .filter(({ kind, wrong }) => wrong <= Math.min(2, kind.length / 3))
    .sort((a, b) => a.wrong - b.wrong)
  return near === undefined ? '' : `; did you mean ${near.kind}?`
}

/** Letters to change, to add, to leave out or to swap with the next one, until one word is the other. */
const wrongLetters = (a: string, b: string): number => {
  const rows = [Array.from({ length: b.length + 1 }, (_, at) => at)]
  const cost = (i: number, j: number): number => rows[i]?.[j] ?? Number.POSITIVE_INFINITY
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i]
    rows.push(row)
    for (let j = 1; j <= b.length; j += 1) {
      const isSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      row.push(
        Math.min(
          cost(i - 1, j) + 1,
          cost(i, j - 1) + 1,
          cost(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1),
          isSwapped ? cost(i - 2, j - 2) + 1 : Number.POSITIVE_INFINITY,
        ),
      )
    }
  }
  return cost(a.length, b.length)
}

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
        ? `must be one of ${NODE_KINDS.slice(0, -1).join(', ')} or ${NODE_KINDS.at(-1)}${meantWords(issue.input)}`
        : undefined,
  },
)

/** The keys that entries of a kind may have. */
export const entryKeysOf = (kind: NodeKind): ReadonlySet<string> => {
  const schema = nodeEntrySchema.options.find(({ shape }) => shape.kind.value === kind)
  return new Set(Object.keys(schema?.shape ?? {}))
}
