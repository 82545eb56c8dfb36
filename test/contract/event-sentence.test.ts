import { describe, expect, it } from 'vitest'
import { eventDetail, eventSentence } from '../../server/contract/event-sentence.ts'
import { EVENT_DATA, EVENT_TYPES, type EventData, type EventType } from '../../server/contract/events.ts'

/** One event of every type, with what is said of it. A type that is missing here does not compile. */
const TOLD: { [T in EventType]: { data: EventData<T>; says: string; detail?: string } } = {
  'node.started': {
    data: { version: '0.1.0', startedDrained: true },
    says: 'fra-1 started with version 0.1.0, drained as it was before',
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
      reason: 'inactivity',
      bytesUpstream: 10,
      bytesDownstream: 20,
      durationMs: 90000,
    },
    says: 'a connection on fra-1 was closed: nothing was sent for too long (inactivity)',
    detail: 'route web, from 192.0.2.7, after 90 s',
  },
  'connections.counted': {
    data: { active: 1, accepted: 2, closed: 1, closedBy: {} },
    says: '1 connection is open on fra-1',
  },
  'connection.refused': {
    data: { reason: 'limit_per_ip', client: '192.0.2.7', port: 443, route: null },
    says: 'fra-1 refused a connection: the limit of connections from one address was reached (limit_per_ip)',
    detail: 'from 192.0.2.7, port 443',
  },
  'route.changed': {
    data: { added: ['api'], removed: [], changed: ['web', 'www'] },
    says: 'the routes of fra-1 were changed: 1 added, 0 removed, 2 changed',
    detail: 'api, web and www',
  },
  'target.down': {
    data: { route: 'web', target: '10.0.0.5:80', reason: 'backend_refused' },
    says: 'target 10.0.0.5:80 of route web is down: the target refused the connection (backend_refused)',
  },
  'target.up': {
    data: { route: 'web', target: '10.0.0.5:80', downMs: 192700 },
    says: 'target 10.0.0.5:80 of route web is up again after 3 min',
  },
  'certificate.issued': {
    data: { domains: ['a.example', 'b.example'], notAfter: '2026-12-01T00:00:00Z' },
    says: 'a certificate was issued for a.example and b.example',
  },
  'certificate.failed': {
    data: { domains: ['a.example'], reason: 'DNS has no address' },
    says: 'no certificate could be had for a.example: DNS has no address',
  },
  'certificate.expiring': {
    data: { domains: ['a.example'], notAfter: '2026-12-01T00:00:00Z', days: 1 },
    says: 'the certificate for a.example expires in 1 day',
  },
  'tunnel.registered': {
    data: { hostId: 'host-7', gapMs: 1240, previousNode: 'fra-2', previousCloseCode: 4001, attempt: 1 },
    says: 'host-7 registered on fra-1 after 1.2 s; it was on fra-2 before',
  },
  'tunnel.lost': {
    data: { hostId: 'host-7', code: 4001, reason: 'drain', heldMs: 5000 },
    says: 'host-7 lost its tunnel to fra-1: operator or deploy drain (4001)',
  },
  'tunnel.refused': {
    data: { hostId: null, code: 4403, reason: 'bad token' },
    says: "fra-1 refused a host: the token is not this host's (4403)",
  },
  'tunnel.replaced': {
    data: { hostId: 'host-7', heldMs: 5000 },
    says: 'host-7 replaced its own tunnel on fra-1',
  },
  'directory.unreachable': {
    data: { backend: 'redis', reason: 'timeout' },
    says: 'fra-1 cannot reach the tunnel directory (redis): timeout',
  },
  'directory.recovered': {
    data: { backend: 'redis', awayMs: 12000 },
    says: 'fra-1 reaches the tunnel directory (redis) again after 12 s',
  },
  'directory.stale_cleared': {
    data: { entries: 1 },
    says: 'fra-1 cleared 1 stale entry from the tunnel directory',
  },
  'push.session_connected': {
    data: { connectMs: 84, connects: 3 },
    says: 'fra-1 opened push session number 3 within 84 ms',
  },
  'push.session_invalidated': {
    data: { reason: 'goaway', ageSeconds: 62, detail: 'NO_ERROR, last stream 173' },
    says: 'the push session of fra-1 was invalidated: the push service sent GOAWAY (goaway)',
    detail: 'NO_ERROR, last stream 173',
  },
  'push.rejected': {
    data: { status: 410, reason: 'Unregistered', token: 'ab12…' },
    says: 'a push from fra-1 was rejected with status 410: the app was removed from the device (Unregistered)',
    detail: 'token ab12…',
  },
  'push.retried': {
    data: { reason: 'session lost' },
    says: 'fra-1 sent a push again: session lost',
  },
  'push.failed': {
    data: { reason: 'timeout' },
    says: 'fra-1 could not send a push: no answer came in time (timeout)',
  },
  'push.breaker_opened': {
    data: { reason: '12 of 20 tokens rejected' },
    says: 'fra-1 stopped removing device tokens (the breaker opened): 12 of 20 tokens rejected',
  },
  'push.breaker_closed': {
    data: { reason: 'closed by ana@example.com' },
    says: 'fra-1 removes device tokens again (the breaker closed): closed by ana@example.com',
  },
  'token.pruned': {
    data: { reason: 'Unregistered', status: 410, token: 'ab12…' },
    says: 'fra-1 removed a device token after status 410: the app was removed from the device (Unregistered)',
    detail: 'token ab12…',
  },
  'token.restored': {
    data: { count: 1 },
    says: 'fra-1 put back 1 device token',
  },
  'drain.started': {
    data: { drainId: 'd1', scope: 'drain', reason: 'kernel update', initiator: 'ana@example.com' },
    says: 'the drain of fra-1 was started by ana@example.com: kernel update',
  },
  'drain.phase_changed': {
    data: { drainId: 'd1', scope: 'drain', from: 'planned', to: 'running' },
    says: 'the drain of fra-1 went from planned to running',
  },
  'drain.completed': {
    data: { drainId: 'd1', scope: 'node', warnings: ['slow'], phases: [] },
    says: 'the drain of fra-1 is complete with 1 warning',
  },
  'drain.aborted': {
    data: { drainId: 'd1', scope: 'node', reason: 'wrong region' },
    says: 'the drain of fra-1 was aborted: wrong region',
  },
  'drain.budget_exceeded': {
    data: { drainId: 'd1', phase: 'connections', budgetMs: 30000, left: 4 },
    says: 'the drain of fra-1 spent more than 30 s on finishing connections (connections); 4 left',
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
    says: 'some events of fra-1 are missing: the node restarted',
  },
  'signal.opened': {
    data: { kind: 'node.down', scope: 'node:fra-1', sentence: 'fra-1 does not answer' },
    says: 'node.down opened: fra-1 does not answer',
  },
  'signal.closed': {
    data: { kind: 'node.down', scope: 'node:fra-1', heldMs: 63000 },
    says: 'node.down closed: it held for 63 s',
  },
  'incident.opened': {
    data: { incidentId: 'i1', title: 'fra-1 is down', severity: 'critical' },
    says: 'an incident was opened (critical): fra-1 is down',
  },
  'incident.acknowledged': {
    data: { incidentId: 'i1', actor: 'ana@example.com' },
    says: 'the incident was acknowledged by ana@example.com',
  },
  'incident.mitigated': {
    data: { incidentId: 'i1', actor: null },
    says: 'the incident was marked mitigated',
  },
  'incident.resolved': {
    data: { incidentId: 'i1', actor: null },
    says: 'the incident is resolved: every signal has been closed for 60 s',
  },
  'drain.planned': {
    data: { drainId: 'd1', region: 'fra', node: null, reason: 'kernel update', actor: 'ana@example.com' },
    says: 'a drain of fra was planned by ana@example.com: kernel update',
  },
  'drain.resumed': {
    data: { drainId: 'd1', actor: 'ana@example.com' },
    says: 'fra-1 was resumed by ana@example.com',
  },
  'operator.acted': {
    data: { actor: 'ana@example.com', action: 'tunnel.kick', object: 'host-7', reason: 'moved house' },
    says: 'ana@example.com closed a tunnel (host-7): moved house',
  },
}
const told = (type: EventType, data: object) => ({
  type,
  node: 'fra-1',
  region: 'fra',
  data: data as Record<string, unknown>,
})

describe('the sentence of an event', () => {
  it('names a maintenance window by its title, and not by its id', () => {
    const data = {
      actor: 'ana',
      action: 'maintenance.add',
      object: 'maintenance:01M8',
      title: 'Kernel',
      reason: 'CHG-1',
    }
    expect(eventSentence(told('operator.acted', data))).toBe('ana announced maintenance (Kernel): CHG-1')
  })

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
