import { z } from 'zod'
import { METRIC_NAMES, type MetricName } from './series.ts'

/** What of an answer says who and how a node is, beside its numbers. */
export const JSON_FACT_NAMES = ['ok', 'region', 'version', 'epoch', 'uptime_seconds'] as const
export type JsonFactName = (typeof JSON_FACT_NAMES)[number]

/** Programs whose answers are known, by the names of `preset`. */
export const JSON_PRESETS = ['push-gateway', 'relay'] as const
export type JsonPreset = (typeof JSON_PRESETS)[number]

/** What the collector measures itself, so that nobody can say it. */
const MEASURED_HERE = ['latency_ms', 'gap_ms'] as const
export type JsonMetricName = Exclude<MetricName, (typeof MEASURED_HERE)[number]>

const isMapped = (name: MetricName): name is JsonMetricName =>
  !(MEASURED_HERE as readonly string[]).includes(name)

/** Names of `/series` that a number of an answer may be mapped to. */
export const JSON_METRIC_NAMES = METRIC_NAMES.filter(isMapped)

export type JsonMapName = JsonFactName | JsonMetricName
export const JSON_MAP_NAMES: readonly JsonMapName[] = [...JSON_FACT_NAMES, ...JSON_METRIC_NAMES]

/** A JSON Pointer (RFC 6901 §3). The empty one, the whole document, is a name that somebody forgot to write. */
export const jsonPointerSchema = z
  .string()
  .max(256)
  .regex(
    /^(?:\/(?:[^/~]|~[01])*)+$/,
    'must be a JSON Pointer (RFC 6901): / before each name, ~1 for a / in it, for example /stats/open',
  )
  .refine((pointer) => !/[\p{Cc}\p{Bidi_Control}]/u.test(pointer), {
    message:
      'must not have hidden characters; they are taken out of answers too, so that it would lead nowhere',
  })

/** Where in a JSON answer each name stands, for example `{ ok: /ok, connections: /stats/open }`. */
export const jsonMapSchema = z
  .strictObject(
    Object.fromEntries(JSON_MAP_NAMES.map((name) => [name, jsonPointerSchema.optional()])) as Record<
      JsonMapName,
      z.ZodOptional<typeof jsonPointerSchema>
    >,
    {
      error: (issue) =>
        issue.code === 'unrecognized_keys'
          ? `is no name that can be mapped; those are ${JSON_MAP_NAMES.join(', ')}`
          : undefined,
    },
  )
  .refine((map) => Object.keys(map).length > 0, {
    message: 'must map one name at least, for example { ok: /ok, connections: /stats/open }',
  })
export type JsonMap = z.infer<typeof jsonMapSchema>
