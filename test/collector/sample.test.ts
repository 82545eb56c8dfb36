import { describe, expect, it } from 'vitest'
import { sampleOf } from '../../server/collector/sample.ts'
import { healthDocument } from './health-document.ts'

const context = { latencyMs: 4, gapMs: null, freshProcess: false }

describe('sampleOf', () => {
  it('keeps gauges as measured and counters as increases', () => {
    const before = healthDocument({ push: { received: 10, sendOk: 8, sendRejected: { BadDeviceToken: 1 } } })
    const after = healthDocument({
      push: {
        received: 15,
        sendOk: 11,
        sendRejected: { BadDeviceToken: 2, Unregistered: 1 },
        sendFail: 1,
        pruneOnUnregistered: 1,
        sessionInvalidations: 2,
      },
      relay: { tunnels: { current: 5, registered: 9, lost: 3, reconnected: 2, refused: {} } },
      proxy: { requests: { total: 30, byStatus: { '2xx': 25, '5xx': 3, '502': 2 } } },
    })
    expect(sampleOf(before, after, { ...context, gapMs: 320 })).toMatchObject({
      latency_ms: 4,
      gap_ms: 320,
      connections: 3,
      connections_accepted: 0,
      tunnels: 5,
      tunnels_lost: 3,
      reconnects: 2,
      requests: 10,
      requests_failed: 5,
      push_received: 5,
      push_delivered: 3,
      push_rejected: 2,
      push_failed: 1,
      tokens_pruned: 1,
      session_invalidations: 2,
    })
  })

  it('counts from zero after a restart, never below it', () => {
    const before = healthDocument({ push: { received: 900 } })
    const after = healthDocument({ epoch: 'run2', push: { received: 7 } })
    expect(sampleOf(before, after, context).push_received).toBe(7)
  })

  it('has no increase for a first look at an old process, and one for a new process', () => {
    const document = healthDocument({ push: { received: 900 } })
    expect(sampleOf(null, document, context).push_received).toBeUndefined()
    expect(sampleOf(null, document, { ...context, freshProcess: true }).push_received).toBe(900)
  })

  it('leaves out what an absent part would measure', () => {
    const values = sampleOf(null, healthDocument({ proxy: null, relay: null, push: null }), {
      ...context,
      freshProcess: true,
    })
    expect(Object.keys(values).sort()).toEqual(['event_loop_delay_ms', 'latency_ms', 'open_fds', 'rss_bytes'])
  })
})
