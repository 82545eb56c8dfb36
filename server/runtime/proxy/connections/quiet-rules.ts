import type { ProxyConfig } from '../../../contract/node-config.ts'
import type { CloseReason } from './close-reasons.ts'
import type { ConnectionRecord } from './record.ts'

/** `inactivityTimeoutMs` as changed by `keepAlive`: six times as long when extended, never (0) when immortal. */
export const inactivityLimitMs = (config: ProxyConfig): number =>
  config.keepAlive === 'immortal' ? 0 : config.inactivityTimeoutMs * (config.keepAlive === 'extended' ? 6 : 1)

/**
 * Which rule ends a quiet connection now, if any. Pure. A value of 0 turns a rule off.
 *
 * `halfEndedAt`: when the first side sent FIN; null while both halves are open.
 */
export const quietVerdict = (
  config: ProxyConfig,
  record: Pick<ConnectionRecord, 'lastActivityAt' | 'bytesUpstream' | 'bytesDownstream'>,
  halfEndedAt: number | null,
  now: number,
): CloseReason | null => {
  const quietMs = now - record.lastActivityAt
  if (
    halfEndedAt !== null &&
    config.parityCheckTimeoutMs > 0 &&
    now - halfEndedAt >= config.parityCheckTimeoutMs &&
    quietMs >= config.parityQuietMs
  ) {
    return 'parity'
  }
  if (config.stuckTimeoutMs > 0 && quietMs >= config.stuckTimeoutMs) {
    const oneWay = (record.bytesUpstream === 0) !== (record.bytesDownstream === 0)
    if (oneWay) return 'stuck'
  }
  if (config.timeoutBehavior === 'close' && config.socketTimeoutMs > 0 && quietMs >= config.socketTimeoutMs) {
    return 'socket_timeout'
  }
  const inactivityMs = inactivityLimitMs(config)
  return inactivityMs > 0 && quietMs >= inactivityMs ? 'inactivity' : null
}

const SWEEP_MIN_MS = 20
const SWEEP_MAX_MS = 1_000

/** How often timeouts are looked at: often enough for the shortest of them to be late by a quarter at most. */
export const sweepIntervalMs = (config: ProxyConfig): number => {
  const waits = [
    config.connectTimeoutMs,
    config.initialDataTimeoutMs,
    config.headersTimeoutMs,
    config.keepAliveTimeoutMs,
    config.responseTimeoutMs,
    config.bodyIdleTimeoutMs,
    config.readerIdleTimeoutMs,
    config.timeoutBehavior === 'close' ? config.socketTimeoutMs : 0,
    inactivityLimitMs(config),
    config.socketCleanupGracePeriodMs,
    Math.max(config.parityCheckTimeoutMs, config.parityQuietMs),
    config.stuckTimeoutMs,
  ].filter((ms) => ms > 0)
  return Math.max(SWEEP_MIN_MS, Math.min(SWEEP_MAX_MS, Math.floor(Math.min(...waits, 4 * SWEEP_MAX_MS) / 4)))
}
