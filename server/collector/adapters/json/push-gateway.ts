import type { NodeTable } from '../../../contract/answers/node-table.ts'
import type { JsonMap } from '../../../contract/json-map.ts'
import { type CountByPart, type CounterName, isCount } from '../facts.ts'
import { faultOf, standing } from './facts.ts'
import { valueAt } from './pointer.ts'

/** What every push gateway says, by the names that a map has. */
export const PUSH_GATEWAY_MAP: JsonMap = { ok: '/ok', uptime_seconds: '/uptime_seconds' }

/** What a gateway counted since it began. Several places are parts of one counter. */
const COUNTERS: readonly { name: CounterName; at: Readonly<Record<string, string>>; isNeeded?: true }[] = [
  { name: 'push_received', at: { apns: '/apns/received' } },
  { name: 'push_delivered', at: { apns: '/apns/sendOk' }, isNeeded: true },
  { name: 'push_rejected', at: { apns: '/apns/sendRejected' } },
  { name: 'push_failed', at: { apns: '/apns/sendFail' } },
  { name: 'pushes_without_token', at: { apns: '/apns/noTokens' } },
  { name: 'session_invalidations', at: { apns: '/apns/sessionInvalidations' } },
  {
    name: 'tokens_pruned',
    at: {
      BadDeviceToken: '/apns/pruneOnBadDeviceToken',
      Unregistered: '/apns/pruneOnUnregistered',
      DeviceTokenNotForTopic: '/apns/pruneOnTopicMismatch',
      other: '/apns/pruneOther',
    },
  },
]
const INTAKE = '/last_event_received_at'
const MAX_ROWS = 100

/** What the answer of a push gateway says beside its map. */
export interface PushGatewayFacts {
  counters: Partial<Record<CounterName, CountByPart>>
  /** When it last delivered a push, epoch ms; null where it never did or does not say. */
  lastDeliveryAt: number | null
  /** When something last came in to be pushed, epoch ms; null where it does not say. */
  lastIntakeAt: number | null
  tables: NodeTable[]
  missing: string[]
}

/**
 * Reads `{ok, total_tokens, last_event_received_at, uptime_seconds, apns: {…}}`, where `apns` has the counters of a push client. Never throws.
 *
 * @param mapped names that the entry maps itself: these are read there
 */
export const readPushGateway = (document: unknown, mapped: JsonMap): PushGatewayFacts => {
  const counters: PushGatewayFacts['counters'] = {}
  const missing: string[] = []
  const lastIntakeAt = timeAt(document, INTAKE)
  for (const { name, at, isNeeded } of COUNTERS) {
    if (name in mapped) continue
    // Whether anything comes in at all is needed; one of two places tells.
    const isMissed = isNeeded === true || (name === 'push_received' && lastIntakeAt === null)
    for (const [part, pointer] of Object.entries(at)) {
      const value = valueAt(document, pointer)
      const count = countOf(value)
      if (count !== null) counters[name] = { ...counters[name], [part]: count }
      else if (isMissed || (value !== undefined && value !== null))
        missing.push(
          `the answer has ${faultOf(value, 'number')} at ${pointer} (${name} of preset push-gateway${standing(value)})`,
        )
    }
  }
  return {
    counters,
    lastDeliveryAt: timeAt(document, '/apns/lastOkAt'),
    lastIntakeAt: timeAt(document, '/apns/lastReceivedAt') ?? lastIntakeAt,
    tables: tablesOf(document, counters),
    missing,
  }
}

/** A number, or the sum of an object of numbers by reason; null where it is neither. */
const countOf = (value: unknown): number | null => {
  if (isCount(value)) return value
  const reasons = reasonsOf(value)
  return reasons === null ? null : reasons.reduce((sum, [, count]) => sum + count, 0)
}

const reasonsOf = (value: unknown): [string, number][] | null => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
  const reasons = Object.entries(value)
  return reasons.every((entry): entry is [string, number] => isCount(entry[1])) ? reasons : null
}

/** A time as text (RFC 3339), in seconds or in milliseconds since 1970. */
const timeAt = (document: unknown, pointer: string): number | null => {
  const value = valueAt(document, pointer)
  const at =
    typeof value === 'string'
      ? Date.parse(value)
      : isCount(value)
        ? value < 1e11
          ? value * 1_000
          : value
        : Number.NaN
  return Number.isFinite(at) && at > 0 ? at : null
}

const tablesOf = (document: unknown, counters: PushGatewayFacts['counters']): NodeTable[] => {
  const at = (pointer: string): unknown => valueAt(document, pointer)
  const count = (pointer: string): number | null => countOf(at(pointer))
  const alive = at('/apns/sessionAlive')
  const age = at('/apns/sessionAgeSeconds')
  const failure = at('/apns/lastFailureReason')
  const session: NodeTable = {
    id: 'session',
    title: 'Push session',
    columns: [
      { key: 'session', label: 'Session', cell: 'state' },
      { key: 'age', label: 'Age', cell: 'duration' },
      { key: 'connects', label: 'Connected', cell: 'count' },
      { key: 'ended', label: 'Ended', cell: 'count' },
      { key: 'retried', label: 'Sent again', cell: 'count' },
      { key: 'tokens', label: 'Device tokens', cell: 'count' },
      { key: 'received', label: 'Last received', cell: 'time' },
      { key: 'sent', label: 'Last sent', cell: 'time' },
      { key: 'delivered', label: 'Last delivered', cell: 'time' },
      { key: 'failed', label: 'Last failure', cell: 'time' },
      { key: 'failure', label: 'Why', cell: 'text' },
    ],
    rows: [
      {
        // It proves nothing about deliveries, and is shown as what it is.
        session:
          typeof alive === 'boolean'
            ? { tone: alive ? 'up' : 'unknown', word: alive ? 'open' : 'none' }
            : null,
        age: isCount(age) ? age * 1_000 : null,
        connects: count('/apns/sessionConnects'),
        ended: count('/apns/sessionInvalidations'),
        retried: count('/apns/sendRetried'),
        tokens: count('/total_tokens'),
        received: timeAt(document, '/apns/lastReceivedAt') ?? timeAt(document, INTAKE),
        sent: timeAt(document, '/apns/lastSendAt'),
        delivered: timeAt(document, '/apns/lastOkAt'),
        failed: timeAt(document, '/apns/lastFailureAt'),
        failure: typeof failure === 'string' ? failure : null,
      },
    ],
    total: 1,
  }
  const ended =
    reasonsOf(at('/apns/sessionInvalidationsByReason')) ?? reasonsOf(at('/apns/sessionInvalidations'))
  return [
    session,
    ...byReason('rejected', 'Rejected, by reason', reasonsOf(at('/apns/sendRejected'))),
    ...byReason('ended', 'Sessions ended, by reason', ended),
    ...byReason('pruned', 'Tokens removed, by reason', Object.entries(counters.tokens_pruned ?? {})),
  ]
}

const byReason = (id: string, title: string, reasons: readonly [string, number][] | null): NodeTable[] => {
  const rows = (reasons ?? []).filter(([, count]) => count > 0).sort((a, b) => b[1] - a[1])
  if (rows.length === 0) return []
  return [
    {
      id,
      title,
      columns: [
        { key: 'reason', label: 'Reason', cell: 'name' },
        { key: 'count', label: 'Count', cell: 'count' },
      ],
      rows: rows.slice(0, MAX_ROWS).map(([reason, count]) => ({ reason, count })),
      total: rows.length,
    },
  ]
}
