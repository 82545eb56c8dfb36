import {
  closeMeaning,
  type EventData,
  type EventType,
  type FleetEvent,
  type TimelineKind,
} from '../../contract/index.ts'
import { countWords, durationWords, listWords, plural } from '../../contract/words.ts'

type Titles = { [T in EventType]: (data: EventData<T>, event: FleetEvent) => string }

const who = (event: FleetEvent): string => event.node ?? event.region ?? 'the fleet'
const gapWords = (gapMs: number | null): string => (gapMs === null ? '' : ` after ${countWords(gapMs)} ms`)
const closeWords = (code: number): string =>
  `${code}, ${(closeMeaning(code) ?? '').replace(/^./, (c) => c.toLowerCase())}`
const because = (reason: string | null | undefined): string => (reason ? `: ${reason}` : '')

/** A plain sentence per event type, without tokens and ids that would keep equal rows from folding. */
const TITLES: Titles = {
  'node.started': (d, e) =>
    `${who(e)} started (version ${d.version})${d.startedDrained ? ', drained as it was before' : ''}`,
  'node.state_changed': (d, e) => `${who(e)} went from ${d.from} to ${d.to}${because(d.reason)}`,
  'node.problem_found': (d, e) => `${who(e)} reports a problem: ${d.problem}`,
  'node.problem_cleared': (d, e) => `${who(e)} no longer reports: ${d.problem}`,
  'connection.closed': (d) => `connection closed: ${d.reason}`,
  'connections.counted': (d) => `${plural(d.active, 'connection')} active`,
  'connection.refused': (d) => `connection refused: ${d.reason}`,
  'route.changed': (d) =>
    `routes changed: ${d.added.length} added, ${d.removed.length} removed, ${d.changed.length} changed`,
  'target.down': (d) => `target ${d.target} of ${d.route} is down: ${d.reason}`,
  'target.up': (d) => `target ${d.target} of ${d.route} is up after ${durationWords(d.downMs)}`,
  'certificate.issued': (d) => `certificate issued for ${listWords(d.domains)}`,
  'certificate.failed': (d) => `certificate failed for ${listWords(d.domains)}: ${d.reason}`,
  'certificate.expiring': (d) =>
    `certificate for ${listWords(d.domains)} expires in ${plural(d.days, 'day')}`,
  'tunnel.registered': (d, e) =>
    `${d.hostId} registered on ${who(e)}${gapWords(d.gapMs)}${d.previousNode && d.previousNode !== e.node ? `, before on ${d.previousNode}` : ''}`,
  'tunnel.lost': (d, e) => `${d.hostId} lost on ${who(e)} (${closeWords(d.code)})`,
  'tunnel.refused': (d, e) => `${d.hostId ?? 'a host'} refused on ${who(e)} (${closeWords(d.code)})`,
  'tunnel.replaced': (d, e) => `${d.hostId} replaced its own tunnel on ${who(e)}`,
  'directory.unreachable': (d) => `tunnel directory (${d.backend}) unreachable: ${d.reason}`,
  'directory.recovered': (d) => `tunnel directory (${d.backend}) is back after ${durationWords(d.awayMs)}`,
  'directory.stale_cleared': (d) =>
    `${plural(d.entries, 'stale directory entry', 'stale directory entries')} cleared`,
  'push.session_connected': (d) =>
    `push session connected (number ${d.connects}, in ${countWords(d.connectMs)} ms)`,
  'push.session_invalidated': (d) => `push session invalidated: ${d.reason}`,
  'push.rejected': (d) => `push rejected: ${d.reason} (${d.status})`,
  'push.retried': (d) => `push retried: ${d.reason}`,
  'push.failed': (d) => `push failed: ${d.reason}`,
  'push.breaker_opened': (d) => `prune breaker opened: ${d.reason}`,
  'push.breaker_closed': (d) => `prune breaker closed: ${d.reason}`,
  'token.pruned': (d) => `token pruned: ${d.reason} (${d.status})`,
  'token.restored': (d) => `${plural(d.count, 'token')} restored`,
  'drain.started': (d, e) => `drain of ${who(e)} started by ${d.initiator}${because(d.reason)}`,
  'drain.phase_changed': (d, e) =>
    d.scope === 'node'
      ? `${who(e)} enters drain phase ${d.to}`
      : `drain of ${who(e)}: ${d.from === null ? d.to : `${d.from} → ${d.to}`}`,
  'drain.completed': (d, e) =>
    `drain of ${who(e)} complete${d.warnings.length === 0 ? '' : ` with ${plural(d.warnings.length, 'warning')}`}`,
  'drain.aborted': (d, e) => `drain of ${who(e)} aborted${because(d.reason)}`,
  'drain.budget_exceeded': (d, e) =>
    `${who(e)} exceeded the budget of drain phase ${d.phase} (${durationWords(d.budgetMs)}); ${d.left} left`,
  'node.down': (d, e) => `${who(e)} is down: ${d.reason}`,
  'node.recovered': (d, e) => `${who(e)} answers again after ${durationWords(d.downMs)}`,
  'region.unreachable': (d, e) => `${e.region ?? 'region'} is unreachable: ${d.reason}`,
  'stream.gap': (d, e) => `events of ${who(e)} are missing: ${d.reason}`,
  'signal.opened': (d) => `${d.kind} opened: ${d.sentence}`,
  'signal.closed': (d) => `${d.kind} closed: ${d.sentence ?? `held for ${durationWords(d.heldMs)}`}`,
  'incident.opened': (d) => `incident opened (${d.severity}): ${d.title}`,
  'incident.acknowledged': (d) => `acknowledged by ${d.actor}`,
  'incident.mitigated': (d) => (d.actor === null ? 'mitigated' : `mitigated by ${d.actor}`),
  'incident.resolved': (d) =>
    d.actor === null ? 'resolved: every signal has been closed for 60 s' : `resolved by ${d.actor}`,
  'drain.planned': (d) => `drain of ${d.region ?? d.node ?? 'the fleet'} planned by ${d.actor}: ${d.reason}`,
  'drain.resumed': (d, e) => `${who(e)} resumed${d.actor ? ` by ${d.actor}` : ''}`,
  'operator.acted': (d) => `${d.actor}: ${d.action} ${d.object}${because(d.reason)}`,
}

/** The event as a sentence. An event whose data is older than this version reads as its type. */
export const titleOf = (event: FleetEvent): string => {
  const title = TITLES[event.type] as (data: never, event: FleetEvent) => string
  try {
    return title(event.data as never, event)
  } catch {
    return event.type
  }
}

export const kindOf = (type: EventType): TimelineKind => {
  if (type.startsWith('signal.')) return 'signal'
  if (type.startsWith('incident.')) return 'incident'
  if (type.startsWith('drain.')) return 'drain'
  return type === 'operator.acted' ? 'operator' : 'event'
}

/** Node id, `collector`, or who acted. */
export const sourceOf = (event: FleetEvent): string => {
  if (event.source === 'node') return event.node ?? 'node'
  const actor = event.type === 'drain.planned' ? null : event.data.actor
  return typeof actor === 'string' ? actor : 'collector'
}
