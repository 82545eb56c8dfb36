import { describe, expect, it } from 'vitest'
import { proxyConfigSchema } from '../../../server/contract/node-config.ts'
import { quietVerdict, sweepIntervalMs } from '../../../server/runtime/proxy/connections/quiet-rules.ts'

const HOUR = 3_600_000
const MINUTE = 60_000

describe('the rules for quiet connections, at their defaults', () => {
  const record = { lastActivityAt: 0, bytesUpstream: 5, bytesDownstream: 0 }

  it.each([
    ['nothing after a minute', {}, null, MINUTE, null],
    ['nothing after 3 hours 59', {}, null, 4 * HOUR - MINUTE, null],
    ['inactivity after 4 hours', {}, null, 4 * HOUR, 'inactivity'],
    ['nothing after 23 hours when extended', { keepAlive: 'extended' }, null, 23 * HOUR, null],
    ['inactivity after 24 hours when extended', { keepAlive: 'extended' }, null, 24 * HOUR, 'inactivity'],
    ['nothing after a year when immortal', { keepAlive: 'immortal' }, null, 8_760 * HOUR, null],
    ['nothing 29 minutes after a FIN', {}, 0, 29 * MINUTE, null],
    ['parity 30 minutes after a FIN', {}, 0, 30 * MINUTE, 'parity'],
    ['nothing when bytes moved 9 minutes ago', { at: 22 * MINUTE }, 0, 31 * MINUTE, null],
    ['stuck only when asked for', { stuckTimeoutMs: MINUTE }, null, MINUTE, 'stuck'],
    ['socket_timeout only when asked for', { timeoutBehavior: 'close' }, null, MINUTE, 'socket_timeout'],
  ])('say %s', (_what, options, halfEndedAt, now, verdict) => {
    const { at, ...rest } = options as { at?: number }
    const config = proxyConfigSchema.parse(rest)
    expect(quietVerdict(config, { ...record, lastActivityAt: at ?? 0 }, halfEndedAt, now)).toBe(verdict)
  })

  it('never call a connection stuck that has heard an answer', () => {
    const config = proxyConfigSchema.parse({ stuckTimeoutMs: 1 })
    expect(quietVerdict(config, { ...record, bytesDownstream: 1 }, null, HOUR)).toBe(null)
  })

  it('are looked at once a second at most, and more often for short timeouts', () => {
    expect(sweepIntervalMs(proxyConfigSchema.parse({}))).toBe(1_000)
    expect(sweepIntervalMs(proxyConfigSchema.parse({ connectTimeoutMs: 200 }))).toBe(50)
  })
})
