import { describe, expect, it } from 'vitest'
import { factsOf } from '../../../server/collector/adapters/tidegate/facts.ts'
import { countedBase, sampleOf } from '../../../server/collector/judgement/sample.ts'
import { healthDocument } from '../adapters/tidegate/health-document.ts'

const facts = (...parts: Parameters<typeof healthDocument>) => factsOf(healthDocument(...parts))

const context = { latencyMs: 4, gapMs: null, freshProcess: false }

describe('sampleOf', () => {
  it('keeps gauges as measured and counters as increases', () => {
    const before = facts({ push: { received: 10, sendOk: 8, sendRejected: { BadDeviceToken: 1 } } })
    const after = facts({
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
    const before = facts({ push: { received: 900 } })
    const after = facts({ epoch: 'run2', push: { received: 7 } })
    expect(sampleOf(before, after, context).push_received).toBe(7)
  })

  it('has no increase for a first look at an old process, and one for a new process', () => {
    const document = facts({ push: { received: 900 } })
    expect(sampleOf(null, document, context).push_received).toBeUndefined()
    expect(sampleOf(null, document, { ...context, freshProcess: true }).push_received).toBe(900)
  })

  it('leaves out what an absent part would measure', () => {
    const values = sampleOf(null, facts({ proxy: null, relay: null, push: null }), {
      ...context,
      freshProcess: true,
    })
    expect(Object.keys(values).sort()).toEqual(['event_loop_delay_ms', 'latency_ms', 'open_fds', 'rss_bytes'])
  })

  it.each(['push', 'proxy', 'relay'] as const)(
    'does not bring a %s part that was missing in one poll back as everything it ever counted',
    (part) => {
      const counting = (many: number) => ({
        push: { received: 1_000_000 + many },
        proxy: { requests: { total: 5_000_000 + many, byStatus: {} } },
        relay: {
          tunnels: { current: 5, registered: 1, lost: 3_000_000 + many, reconnected: 2, refused: {} },
        },
      })
      const first = facts(counting(0))
      const { [part]: _, ...rest } = healthDocument(counting(5))
      const without = factsOf(rest)
      const again = facts(counting(7))
      const base = countedBase(countedBase(null, first), without)
      const between = sampleOf(countedBase(null, first), without, context)
      const after = sampleOf(base, again, context)
      for (const values of [between, after])
        for (const [name, value] of Object.entries(values))
          if (!/bytes|fds|latency|delay/.test(name)) expect(value, name).toBeLessThan(20)
      if (part === 'push') expect(after.push_received).toBe(7)
      if (part === 'relay') expect(after.tunnels_lost).toBe(7)
    },
  )
})
