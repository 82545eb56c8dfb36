import { z } from 'zod'
import { PROMETHEUS_PRESETS, prometheusMapSchema } from '../prometheus-map.ts'
import { authFields, drainFields, entryFields, httpUrl, tlsFields } from './entry.ts'
import { isMapped, needsMap } from './mapped.ts'

/** Anything that answers a GET with a page for Prometheus. */
export const prometheusEntrySchema = z
  .object({
    ...entryFields,
    kind: z
      .literal('prometheus')
      .meta({ description: 'Anything that Prometheus can scrape', examples: ['prometheus'] }),
    url: httpUrl.meta({
      description: 'The whole address of the page, with path and query',
      examples: ['http://10.2.0.4:20241/metrics'],
    }),
    preset: z
      .enum(PROMETHEUS_PRESETS)
      .optional()
      .meta({
        description: 'The program, where its series are known; map adds to it and replaces single names',
        examples: ['cloudflared'],
      }),
    map: prometheusMapSchema.optional().meta({
      description: 'Which series say what, by the names of docs/adapters.md; needed without preset',
      examples: [{ connections: { metric: 'pgbouncer_clients', labels: { state: 'active' } } }],
    }),
    ...authFields,
    ...tlsFields,
    ...drainFields,
  })
  .strict()
  .refine(isMapped, needsMap('{ connections: { metric: pgbouncer_clients } }', PROMETHEUS_PRESETS))
