import { z } from 'zod'
import { epochMs, milliseconds } from '../parts.ts'
import { METRIC_NAMES, type MetricName } from '../series.ts'

export const metricName = z.enum(METRIC_NAMES as [MetricName, ...MetricName[]])

/** `[t, min, max, avg]`: `t` is epoch ms at the start of the step; of a counter, the increase stands in all three. */
export const pointSchema = z.tuple([epochMs, z.number(), z.number(), z.number()]).meta({
  id: 'Point',
  description:
    '`[t, min, max, avg]`: `t` is epoch milliseconds at the start of the step; of a counter, the increase within the step stands in all three',
})
export type Point = z.infer<typeof pointSchema>

export const seriesGapSchema = z
  .object({ from: epochMs, to: epochMs, reason: z.string(), node: z.string().optional() })
  .meta({ id: 'SeriesGap', description: 'A span in epoch milliseconds of which nothing is known, and why' })
export type SeriesGap = z.infer<typeof seriesGapSchema>

/** `GET /series`. */
export const seriesAnswerSchema = z
  .object({
    step: milliseconds.describe('Milliseconds a step'),
    level: z.enum(['raw', 'minute', 'hour']),
    series: z.array(
      z.object({ scope: z.string(), metric: metricName, unit: z.string(), points: z.array(pointSchema) }),
    ),
    gaps: z.array(seriesGapSchema),
  })
  .meta({ id: 'Series' })
export type SeriesAnswer = z.infer<typeof seriesAnswerSchema>
