import { z } from 'zod'
import { JSON_METRIC_NAMES, type JsonMetricName } from './json-map.ts'
import { SERIES_METRICS } from './series.ts'

/** Programs whose series are known, so that an entry needs no map of its own. */
export const PROMETHEUS_PRESETS = ['cloudflared', 'traefik', 'caddy', 'envoy', 'haproxy', 'nginx'] as const
export type PrometheusPreset = (typeof PROMETHEUS_PRESETS)[number]

/** What of an answer says who and how a node is: by the value of a series, or by one of its labels. */
const VALUE_FACTS = ['ok', 'uptime_seconds', 'started_seconds'] as const
const LABEL_FACTS = ['region', 'version', 'epoch'] as const

const names = (what: string, pattern: RegExp) =>
  z
    .string()
    .min(1)
    .max(256)
    .regex(pattern, `must be ${what}`)
    .refine((name) => !/[\p{Cc}\p{Bidi_Control}"\\]/u.test(name), {
      message: 'must not have hidden characters',
    })

const metricName = names('the whole name of a series, for example http_requests_total', /^[^\s{}#"]+$/).meta({
  description: 'The whole name of the series, with _total, _count … where it has that',
  examples: ['http_requests_total'],
})
const labelName = names('the name of a label, for example service', /^[^\s{}=,"]+$/)

const series = {
  metric: metricName,
  labels: z
    .record(labelName, z.string().max(1_024))
    .refine((labels) => Object.keys(labels).length <= 32, { message: 'must have at most 32 labels' })
    .optional()
    .meta({
      description: 'Labels that a series must have, exactly; those that are not named may be anything',
      examples: [{ state: 'active' }],
    }),
}

const optional = z
  .boolean()
  .optional()
  .meta({
    description: 'It appears with its first event: while there is none it counts as 0, and is no fault',
    examples: [true],
  })

const own = z
  .number()
  .min(0)
  .max(1_000_000)
  .optional()
  .meta({
    description:
      'How much of it is the poll itself: taken off what is open now, and with each poll off what is counted',
    examples: [1],
  })

const numberSchema = z.strictObject({
  ...series,
  as: z
    .enum(['counter', 'gauge'])
    .optional()
    .meta({
      description: 'What it is, where its # TYPE says otherwise: counter, or gauge',
      examples: ['counter'],
    }),
  optional,
  own,
})
const valueSchema = z.strictObject(series)
const labelSchema = z.strictObject({
  ...series,
  label: labelName.optional().meta({
    description:
      'The label that says it; without it the value of the series does (epoch), or the label of the same name',
    examples: ['version'],
  }),
})

export type NumberSource = z.infer<typeof numberSchema>
export type ValueSource = z.infer<typeof valueSchema>
export type LabelSource = z.infer<typeof labelSchema>

export const PROMETHEUS_MAP_NAMES: readonly string[] = [...LABEL_FACTS, ...VALUE_FACTS, ...JSON_METRIC_NAMES]

const optionalEach = <Name extends string, Schema extends z.ZodType>(list: readonly Name[], schema: Schema) =>
  Object.fromEntries(list.map((name) => [name, schema.optional()])) as Record<Name, z.ZodOptional<Schema>>

const numberOf = (name: JsonMetricName) =>
  numberSchema.refine((source) => source.as === undefined || source.as === SERIES_METRICS[name].kind, {
    path: ['as'],
    message:
      SERIES_METRICS[name].kind === 'gauge'
        ? `must be gauge: ${name} is drawn as it is now`
        : `must be counter: ${name} is drawn as its increase`,
  })

/** Which series of a Prometheus page say what, for example `{ connections: { metric: pgbouncer_clients } }`. */
export const prometheusMapSchema = z
  .strictObject(
    {
      ...optionalEach(LABEL_FACTS, labelSchema),
      ...optionalEach(VALUE_FACTS, valueSchema),
      ...(Object.fromEntries(JSON_METRIC_NAMES.map((name) => [name, numberOf(name).optional()])) as Record<
        JsonMetricName,
        z.ZodOptional<typeof numberSchema>
      >),
    },
    {
      error: (issue) =>
        issue.code === 'unrecognized_keys'
          ? `is no name that can be mapped; those are ${PROMETHEUS_MAP_NAMES.join(', ')}`
          : undefined,
    },
  )
  .refine((map) => Object.keys(map).length > 0, {
    message: 'must map one name at least, for example { connections: { metric: pgbouncer_clients } }',
  })
export type PrometheusMap = z.infer<typeof prometheusMapSchema>
