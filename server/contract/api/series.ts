import { z } from 'zod'
import { seriesAnswerSchema } from '../answers/series.ts'
import { METRIC_NAMES, type MetricName } from '../series.ts'
import { listParameter, numberParameter, timeParameter } from './parameters.ts'
import { route, V1 } from './route.ts'

const DEFAULT_POINTS = 300

/** Measurements over time. */
export const seriesRoutes = {
  getSeries: route({
    method: 'GET',
    path: `${V1}/series`,
    tag: 'Measurements',
    role: 'viewer',
    summary: 'Metrics over time, as charts draw them',
    description:
      'At most 400 days, and at most 600 points a series; default the last hour in 300 points. Counters are increases per step, gauges min, max and average.',
    query: z
      .object({
        scope: z
          .string()
          .regex(/^(?:fleet|(?:region|node):[a-z0-9-]{1,63})$/, 'must be fleet, region:ID or node:ID')
          .describe('Of what: `fleet`, `region:ID` or `node:ID`')
          .default('fleet'),
        metric: z
          .string('name at least one metric')
          .pipe(listParameter)
          .pipe(
            z
              .array(
                z.enum(
                  METRIC_NAMES as [MetricName, ...MetricName[]],
                  `must be one of ${METRIC_NAMES.join(', ')}`,
                ),
              )
              .min(1, 'name at least one metric')
              .max(METRIC_NAMES.length),
          )
          .describe(`Names separated by commas: ${METRIC_NAMES.join(', ')}`),
        from: timeParameter.optional(),
        to: timeParameter.optional(),
        points: numberParameter().describe('Points of a series, at most 600').default(DEFAULT_POINTS),
      })
      .strict(),
    answer: seriesAnswerSchema,
    errors: ['ERR_NOT_FOUND', 'ERR_TOO_SLOW'],
  }),
}
