import type { PushHealth } from '../../contract/health.ts'

/** Different reasons that are counted by name; a peer that invents more is counted under `other`. */
const MAX_REASONS = 64

type Time = Date | null

/** What the push part has done since it started. Nothing here is estimated: each number is counted where it happens. */
export class PushCounters {
  received = 0
  noTokens = 0
  sendOk = 0
  sendFail = 0
  sendRetried = 0
  /** Of those, the ones whose first attempt may have been processed: the only ones that can arrive twice. */
  sendRetriedUnproven = 0
  readonly sendRejected = new Map<string, number>()
  sessionConnects = 0
  sessionConnectFailures = 0
  sessionInvalidations = 0
  readonly invalidationsByReason = new Map<string, number>()
  pruneOnBadDeviceToken = 0
  pruneOnUnregistered = 0
  pruneOnTopicMismatch = 0
  pruneOther = 0
  lastReceivedAt: Time = null
  lastSendAt: Time = null
  lastOkAt: Time = null
  lastFailureAt: Time = null
  lastFailureReason: string | null = null

  ok(): void {
    this.sendOk += 1
    this.lastOkAt = new Date()
  }

  rejected(reason: string): void {
    const name = this.sendRejected.has(reason) || this.sendRejected.size < MAX_REASONS ? reason : 'other'
    this.sendRejected.set(name, (this.sendRejected.get(name) ?? 0) + 1)
    this.#notDelivered(reason)
  }

  failed(reason: string): void {
    this.sendFail += 1
    this.#notDelivered(reason)
  }

  /** A dial is not an attempt to deliver: it is counted separately, and its reason is what operators read first. */
  connectFailed(reason: string): void {
    this.sessionConnectFailures += 1
    this.#notDelivered(reason)
  }

  invalidated(reason: string): void {
    this.sessionInvalidations += 1
    this.invalidationsByReason.set(reason, (this.invalidationsByReason.get(reason) ?? 0) + 1)
  }

  pruned(reason: string): void {
    if (reason === 'BadDeviceToken') this.pruneOnBadDeviceToken += 1
    else if (reason === 'Unregistered') this.pruneOnUnregistered += 1
    else if (reason === 'DeviceTokenNotForTopic') this.pruneOnTopicMismatch += 1
    else this.pruneOther += 1
  }

  toHealth(session: { alive: boolean; ageSeconds: number | null }, tokens: number): PushHealth {
    return {
      received: this.received,
      sendOk: this.sendOk,
      sendRejected: Object.fromEntries(this.sendRejected),
      sendFail: this.sendFail,
      sendRetried: this.sendRetried,
      sendRetriedUnproven: this.sendRetriedUnproven,
      noTokens: this.noTokens,
      sessionAlive: session.alive,
      sessionAgeSeconds: session.ageSeconds,
      sessionConnects: this.sessionConnects,
      sessionConnectFailures: this.sessionConnectFailures,
      sessionInvalidations: this.sessionInvalidations,
      sessionInvalidationsByReason: Object.fromEntries(this.invalidationsByReason),
      pruneOnBadDeviceToken: this.pruneOnBadDeviceToken,
      pruneOnUnregistered: this.pruneOnUnregistered,
      pruneOnTopicMismatch: this.pruneOnTopicMismatch,
      pruneOther: this.pruneOther,
      breaker: 'closed',
      tokens,
      lastReceivedAt: this.lastReceivedAt?.toISOString() ?? null,
      lastSendAt: this.lastSendAt?.toISOString() ?? null,
      lastOkAt: this.lastOkAt?.toISOString() ?? null,
      lastFailureAt: this.lastFailureAt?.toISOString() ?? null,
      lastFailureReason: this.lastFailureReason,
    }
  }

  #notDelivered(reason: string): void {
    this.lastFailureAt = new Date()
    this.lastFailureReason = reason
  }
}
