import { describe, expect, it } from 'vitest'
import { choicesOf, suggestedMap } from '../../../server/collector/probe/choices.ts'
import { seriesChoices } from '../../../server/collector/probe/series-choices.ts'

describe('Values of a JSON answer that can be mapped', () => {
  it('are listed by their pointers, with the name that they probably have', () => {
    const choices = choicesOf({
      ok: true,
      uptime_seconds: 9,
      stats: { activeConnections: 7, requests_total: 1_000, errors_total: 3 },
      apns: { received: 5, delivered: 4 },
      'odd/name~': 1,
    })
    expect(choices).toContainEqual({ at: '/odd~1name~0', value: 1, suggestion: null })
    expect(suggestedMap(choices)).toEqual({
      ok: '/ok',
      uptime_seconds: '/uptime_seconds',
      connections: '/stats/activeConnections',
      requests: '/stats/requests_total',
      requests_failed: '/stats/errors_total',
      push_received: '/apns/received',
      push_delivered: '/apns/delivered',
    })
  })

  it('are never suggested for a name of another type, nor twice for one name', () => {
    const choices = choicesOf({
      ok: 'yes',
      connections: 'many',
      a: { connections: 1 },
      b: { connections: 2 },
    })
    expect(choices.filter(({ suggestion }) => suggestion !== null)).toEqual([
      { at: '/a/connections', value: 1, suggestion: 'connections' },
    ])
  })

  it('are at most 200, however large the answer is', () => {
    const wide = Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`n${index}`, index]))
    expect(choicesOf(wide)).toHaveLength(200)
    const page = Array.from({ length: 10_000 }, (_, index) => `metric_${index} ${index}`).join('\n')
    expect(seriesChoices(page)).toHaveLength(200)
  })
})

describe('Series of a Prometheus page that can be mapped', () => {
  it('are listed by name with the sum of their values', () => {
    const page = [
      '# HELP app_requests_total all of them',
      '# TYPE app_requests_total counter',
      'app_requests_total{code="200"} 10',
      'app_requests_total{code="500"} 2',
      'app_active_connections 7 1700000000000',
      'app_duration_bucket{le="+Inf"} NaN',
    ].join('\n')
    expect(seriesChoices(page)).toEqual([
      { at: 'app_requests_total', value: 12, suggestion: 'requests' },
      { at: 'app_active_connections', value: 7, suggestion: 'connections' },
    ])
  })
})
