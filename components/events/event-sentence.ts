import { closeMeaning } from '@/server/contract/close-codes.ts'
import type { FleetEvent } from '@/server/contract/events.ts'
import { formatDuration } from '../ui/format.ts'

const text = (value: unknown): string => (value === null || value === undefined ? '' : String(value))
const ms = (value: unknown): string => (typeof value === 'number' ? formatDuration(value) : 'an unknown time')

/** What happened, in a few words. Types without a rule show their data. */
export const eventSentence = (event: Pick<FleetEvent, 'type' | 'data'>): string => {
  const { data } = event
  switch (event.type) {
    case 'node.started':
      return `started, version ${text(data.version)}`
    case 'node.state_changed':
      return `${text(data.from)} → ${text(data.to)}${data.reason ? `: ${text(data.reason)}` : ''}`
    case 'node.problem_found':
      return `problem: ${text(data.problem)}`
    case 'node.problem_cleared':
      return `cleared: ${text(data.problem)}`
    case 'node.down':
      return `down: ${text(data.reason)}`
    case 'node.recovered':
      return `back after ${ms(data.downMs)}`
    case 'connection.closed':
      return `${text(data.reason)} after ${ms(data.durationMs)}, ${text(data.route)}`
    case 'connection.refused':
      return `refused ${text(data.client)}: ${text(data.reason)}`
    case 'tunnel.registered':
      return `${text(data.hostId)} registered${data.previousNode ? ` from ${text(data.previousNode)}` : ''}${typeof data.gapMs === 'number' ? ` after ${ms(data.gapMs)}` : ''}`
    case 'tunnel.lost':
      return `${text(data.hostId)} lost, ${text(data.code)}: ${closeMeaning(Number(data.code)) ?? text(data.reason)}`
    case 'tunnel.refused':
      return `${text(data.hostId) || 'a host'} refused, ${text(data.code)}: ${text(data.reason)}`
    case 'tunnel.replaced':
      return `${text(data.hostId)} replaced after ${ms(data.heldMs)}`
    case 'push.session_connected':
      return `session open in ${ms(data.connectMs)}`
    case 'push.session_invalidated':
      return `session invalidated: ${text(data.reason)}${data.detail ? `, ${text(data.detail)}` : ''}`
    case 'push.rejected':
      return `rejected ${text(data.status)} ${text(data.reason)}, token ${text(data.token)}`
    case 'push.failed':
    case 'push.retried':
      return `${event.type === 'push.failed' ? 'failed' : 'retried'}: ${text(data.reason)}`
    case 'token.pruned':
      return `token ${text(data.token)} pruned: ${text(data.reason)}`
    case 'drain.started':
    case 'drain.planned':
      return `${event.type === 'drain.planned' ? 'planned' : 'started'}: ${text(data.reason)} (${text(data.initiator ?? data.actor)})`
    case 'drain.phase_changed':
      return data.from ? `${text(data.from)} → ${text(data.to)}` : text(data.to)
    case 'drain.completed':
      return 'complete'
    case 'drain.aborted':
      return `aborted: ${text(data.reason)}`
    case 'drain.resumed':
      return 'serving again'
    case 'signal.opened':
      return text(data.sentence)
    case 'signal.closed':
      return `${text(data.kind)} closed after ${ms(data.heldMs)}`
    case 'incident.opened':
      return text(data.title)
    case 'incident.acknowledged':
    case 'incident.mitigated':
    case 'incident.resolved':
      return `${event.type.slice('incident.'.length)} by ${text(data.actor) || 'itself'}`
    case 'operator.acted':
      return `${text(data.actor)}: ${text(data.action)} ${text(data.object)}${data.reason ? ` (${text(data.reason)})` : ''}`
    case 'stream.gap':
      return `events missing: ${text(data.reason)}`
    default:
      return Object.entries(data)
        .filter(([, value]) => value !== null && typeof value !== 'object')
        .map(([name, value]) => `${name} ${text(value)}`)
        .join(', ')
  }
}
