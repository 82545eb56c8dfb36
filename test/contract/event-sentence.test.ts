import { describe, expect, it } from 'vitest'
import { eventDetail, eventSentence } from '../../server/contract/event-sentence.ts'
import { EVENT_DATA, EVENT_TYPES, type EventData, type EventType } from '../../server/contract/events.ts'

/** One event of every type, with what is said of it. A type that is missing here does not compile. */
const TOLD: { [T in EventType]: { data: EventData<T>; says: string; detail?: string } } = {
  'node.started': {
    data: { version: '0.1.0', startedDrained: true },
    says: 'fra-1 started (version 0.1.0), drained as it was before',
  },
  'node.state_changed': {
    data: { from: 'serving', to: 'draining', reason: 'kernel update' },
    says: 'fra-1 went from serving to draining: kernel update',
  },
  'node.problem_found': {
    data: { problem: 'event loop blocked for 2 s' },
    says: 'fra-1 reports a problem: event loop blocked for 2 s',
  },
  'node.problem_cleared': {
    data: { problem: 'event loop blocked for 2 s' },
    says: 'fra-1 no longer reports: event loop blocked for 2 s',
  },
  'connection.closed': {
    data: {
      id: 'c1',
      route: 'web',
      client: '192.0.2.7',
      target: '10.0.0.5:80',
      reason: 'idle_timeout',
      bytesUpstream: 10,
      bytesDownstream: 20,
      durationMs: 90000,
    },
    says: 'connection closed: idle_timeout',
    detail: 'web, 192.0.2.7, after 90 s',
  },
  'connections.counted': {
    data: { active: 1, accepted: 2, closed: 1, closedBy: {} },
    says: '1 connection active',
  },
  'connection.refused': {
    data: { reason: 'limit_reached', client: '192.0.2.7', port: 443, route: null },
    says: 'connection refused: limit_reached',
    detail: '192.0.2.7, port 443',
  },
  'route.changed': {
    data: { added: ['api'], removed: [], changed: ['web', 'www'] },
    says: 'routes changed: 1 added, 0 removed, 2 changed',
    detail: 'api, web and www',
  },
  'target.down': {
    data: { route: 'web', target: '10.0.0.5:80', reason: 'refused' },
    says: 'target 10.0.0.5:80 of web is down: refused',
  },
  'target.up': {
    data: { route: 'web', target: '10.0.0.5:80', downMs: 192700 },
    says: 'target 10.0.0.5:80 of web is up after 3 min',
  },
  'certificate.issued': {
    data: { domains: ['a.example', 'b.example'], notAfter: '2026-12-01T00:00:00Z' },
    says: 'certificate issued for a.example and b.example',
  },
  'certificate.failed': {
    data: { domains: ['a.example'], reason: 'DNS has no address' },
    says: 'certificate failed for a.example: DNS has no address',
  },
  'certificate.expiring': {
    data: { domains: ['a.example'], notAfter: '2026-12-01T00:00:00Z', days: 1 },
    says: 'certificate for a.example expires in 1 day',
  },
  'tunnel.registered': {
    data: { hostId: 'host-7', gapMs: 1240, previousNode: 'fra-2', previousCloseCode: 4001, attempt: 1 },
    says: 'host-7 registered on fra-1 after 1.2 s, before on fra-2',
  },
  'tunnel.lost': {
    data: { hostId: 'host-7', code: 4001, reason: 'drain', heldMs: 5000 },
    says: 'host-7 lost on fra-1 (4001, operator or deploy drain)',
  },
  'tunnel.refused': {
    data: { hostId: null, code: 4403, reason: 'bad token' },
    says: "a host refused on fra-1 (4403, the token is not this host's)",
  },
  'tunnel.replaced': {
    data: { hostId: 'host-7', heldMs: 5000 },
    says: 'host-7 replaced its own tunnel on fra-1',
  },
  'directory.unreachable': {
    data: { backend: 'redis', reason: 'timeout' },
    says: 'tunnel directory (redis) unreachable: timeout',
  },
  'directory.recovered': {
    data: { backend: 'redis', awayMs: 12000 },
    says: 'tunnel directory (redis) is back after 12 s',
  },
  'directory.stale_cleared': {
    data: { entries: 1 },
    says: '1 stale directory entry cleared',
  },
  'push.session_connected': {
    data: { connectMs: 84, connects: 3 },
    says: 'push session connected (number 3, in 84 ms)',
  },
  'push.session_invalidated': {
    data: { reason: 'goaway', ageSeconds: 62, detail: 'NO_ERROR, last stream 173' },
    says: 'push session invalidated: goaway',
    detail: 'NO_ERROR, last stream 173',
  },
  'push.rejected': {
    data: { status: 410, reason: 'Unregistered', token: 'ab12…' },
    says: 'push rejected: Unregistered (410)',
    detail: 'token ab12…',
  },
  'push.retried': {
    data: { reason: 'session lost' },
    says: 'push retried: session lost',
  },
  'push.failed': {
    data: { reason: 'timeout' },
    says: 'push failed: timeout',
  },
  'push.breaker_opened': {
    data: { reason: '12 of 20 tokens rejected' },
    says: 'prune breaker opened: 12 of 20 tokens rejected',
  },
  'push.breaker_closed': {
    data: { reason: 'closed by ana@example.com' },
    says: 'prune breaker closed: closed by ana@example.com',
  },
  'token.pruned': {
    data: { reason: 'Unregistered', status: 410, token: 'ab12…' },
    says: 'token pruned: Unregistered (410)',
    detail: 'token ab12…',
  },
  'token.restored': {
    data: { count: 1 },
    says: '1 token restored',
  },
  'drain.started': {
    data: { drainId: 'd1', scope: 'drain', reason: 'kernel update', initiator: 'ana@example.com' },
    says: 'drain of fra-1 started by ana@example.com: kernel update',
  },
  'drain.phase_changed': {
    data: { drainId: 'd1', scope: 'drain', from: 'planned', to: 'running' },
    says: 'drain of fra-1: planned → running',
  },
  'drain.completed': {
    data: { drainId: 'd1', scope: 'node', warnings: ['slow'], phases: [] },
    says: 'drain of fra-1 complete with 1 warning',
  },
  'drain.aborted': {
    data: { drainId: 'd1', scope: 'node', reason: 'wrong region' },
    says: 'drain of fra-1 aborted: wrong region',
  },
  'drain.budget_exceeded': {
    data: { drainId: 'd1', phase: 'connections', budgetMs: 30000, left: 4 },
    says: 'fra-1 exceeded the budget of drain phase connections (30 s); 4 left',
  },
  'node.down': {
    data: { reason: 'refused: ECONNREFUSED', since: '2026-11-21T14:00:00Z' },
    says: 'fra-1 is down: refused: ECONNREFUSED',
  },
  'node.recovered': {
    data: { downMs: 7500000 },
    says: 'fra-1 answers again after 2 h 5 min',
  },
  'region.unreachable': {
    data: { nodes: ['fra-1', 'fra-2'], reason: 'none of its 2 nodes answers' },
    says: 'fra is unreachable: none of its 2 nodes answers',
  },
  'stream.gap': {
    data: { from: 4, to: 9, reason: 'the node restarted' },
    says: 'events of fra-1 are missing: the node restarted',
  },
  'signal.opened': {
    data: { kind: 'node.down', scope: 'node:fra-1', sentence: 'fra-1 does not answer' },
    says: 'node.down opened: fra-1 does not answer',
  },
  'signal.closed': {
    data: { kind: 'node.down', scope: 'node:fra-1', heldMs: 63000 },
    says: 'node.down closed: held for 63 s',
  },
  'incident.opened': {
    data: { incidentId: 'i1', title: 'fra-1 is down', severity: 'critical' },
    says: 'incident opened (critical): fra-1 is down',
  },
  'incident.acknowledged': {
    data: { incidentId: 'i1', actor: 'ana@example.com' },
    says: 'incident acknowledged by ana@example.com',
  },
  'incident.mitigated': {
    data: { incidentId: 'i1', actor: null },
    says: 'incident mitigated',
  },
  'incident.resolved': {
    data: { incidentId: 'i1', actor: null },
    says: 'incident resolved: every signal has been closed for 60 s',
  },
  'drain.planned': {
    data: { drainId: 'd1', region: 'fra', node: null, reason: 'kernel update', actor: 'ana@example.com' },
    says: 'drain of fra planned by ana@example.com: kernel update',
  },
  'drain.resumed': {
    data: { drainId: 'd1', actor: 'ana@example.com' },
    says: 'fra-1 resumed by ana@example.com',
  },
  'operator.acted': {
    data: { actor: 'ana@example.com', action: 'tunnel.kick', object: 'host-7', reason: 'moved house' },
    says: 'ana@example.com: tunnel.kick host-7: moved house',
  },
}
const told = (type: EventType, data: object) => ({
  type,
  node: 'fra-1',
  region: 'fra',
  data: data as Record<string, unknown>,
})

describe('the sentence of an event', () => {
  it.each(EVENT_TYPES)('says what %s means, for the node that it is of', (type) => {
    const { data, says, detail = '' } = TOLD[type]
    expect(EVENT_DATA[type].safeParse(data).error).toBeUndefined()
    expect(eventSentence(told(type, data))).toBe(says)
    expect(eventDetail(told(type, data))).toBe(detail)
  })

  it('leaves out of a sentence what would keep equal events from becoming one row', () => {
    const rejected = TOLD['push.rejected'].data
    expect(eventSentence(told('push.rejected', rejected))).toBe(
      eventSentence(told('push.rejected', { ...rejected, token: 'cd34…' })),
    )
  })

  it('names the type where the data is older than this version, or where the type is not known', () => {
    expect(eventSentence(told('certificate.issued', {}))).toBe('certificate.issued')
    expect(eventSentence(told('node.down', {}))).toBe('node.down')
    expect(eventSentence(told('tunnel.teleported' as EventType, {}))).toBe('tunnel.teleported')
    expect(eventDetail(told('connection.closed', {}))).toBe('')
  })
})
