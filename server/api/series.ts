import { z } from 'zod'
import { AppError, METRIC_NAMES, type MetricName } from '../contract/index.ts'
import type { SeriesQuery } from '../store/store.ts'
import type { Access } from './access.ts'
import type { ApiApp, ApiOptions } from './context.ts'
import { listParameter, noSuch, readQuery, timeParameter } from './input.ts'

const hour = 3_600_000
const longestMs = 400 * 24 * hour
const defaultPoints = 300
const maxPoints = 600

const query = z
  .object({
    scope: z
      .string()
      .regex(/^(?:fleet|(?:region|node):[a-z0-9-]{1,63})$/, 'must be fleet, region:ID or node:ID')
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
      ),
    from: timeParameter.optional(),
    to: timeParameter.optional(),
    points: z.coerce
      .number('must be a number')
      .int('must be a whole number')
      .min(1, 'must be at least 1')
      .default(defaultPoints),
  })
  .strict()

/** Charts. */
export const addSeries = (app: ApiApp, { needs }: Access, { collector, store }: ApiOptions): void => {
  const scopeOf = (text: string): SeriesQuery['scope'] => {
    if (text === 'fleet') return { kind: 'fleet' }
    const [kind, id] = text.split(':') as ['region' | 'node', string]
    const known =
      kind === 'node' ? collector.node(id) !== null : collector.regions().some((region) => region.id === id)
    if (!known) throw noSuch(kind, id)
    return { kind, id }
  }

  app.get(
    '/series',
    needs('viewer', async (c) => {
      const { scope, metric, points, ...range } = readQuery(c, query)
      const to = range.to ?? Date.now()
      const from = range.from ?? to - hour
      if (from >= to || to - from > longestMs) {
        throw new AppError('ERR_INVALID', 'from must be before to, and at most 400 days before it', {
          problems: [{ path: 'from', message: 'must be before to, and at most 400 days before it' }],
        })
      }
      const metrics = [...new Set(metric)]
      return c.json(
        await store.series({ scope: scopeOf(scope), metrics, from, to, points: Math.min(points, maxPoints) }),
      )
    }),
  )
}
