import type { seriesRoutes } from '../contract/api/series.ts'
import { AppError } from '../contract/index.ts'
import type { SeriesQuery } from '../store/store.ts'
import type { ApiOptions } from './context.ts'
import { noSuch } from './input.ts'
import type { Handlers } from './serve.ts'

const hour = 3_600_000
const longestMs = 400 * 24 * hour
const maxPoints = 600

/** Charts. */
export const seriesHandlers = ({ collector, store }: ApiOptions): Handlers<typeof seriesRoutes> => {
  const scopeOf = (text: string): SeriesQuery['scope'] => {
    if (text === 'fleet') return { kind: 'fleet' }
    const [kind, id] = text.split(':') as ['region' | 'node', string]
    const known =
      kind === 'node' ? collector.node(id) !== null : collector.regions().some((region) => region.id === id)
    if (!known) throw noSuch(kind, id)
    return { kind, id }
  }
  return {
    async getSeries({ query: { scope, metric, points, ...range } }) {
      const to = range.to ?? Date.now()
      const from = range.from ?? to - hour
      if (from >= to || to - from > longestMs) {
        throw new AppError('ERR_INVALID', 'from must be before to, and at most 400 days before it', {
          problems: [{ path: 'from', message: 'must be before to, and at most 400 days before it' }],
        })
      }
      const metrics = [...new Set(metric)]
      return store.series({ scope: scopeOf(scope), metrics, from, to, points: Math.min(points, maxPoints) })
    },
  }
}
