import { closeMeaning } from './close-codes.ts'
import type { EventData, EventType, FleetEvent } from './events.ts'
import { countWords, durationWords, listWords, plural } from './words.ts'

/** What of an event its sentence is made of. */
export type ToldEvent = Pick<FleetEvent, 'type' | 'node' | 'region' | 'data'>

interface Sentence<T extends EventType> {
  /** A plain sentence without tokens, addresses and ids, which would keep equal rows from folding. */
  says: (data: EventData<T>, event: ToldEvent) => string
  /** What tells this event from others that read the same; empty where nothing does. */
  detail?: (data: EventData<T>) => string
}
type Sentences = { readonly [T in EventType]: Sentence<T> }

const who = (event: ToldEvent): string => event.node ?? event.region ?? 'the fleet'
const afterGap = (gapMs: number | null): string => (gapMs === null ? '' : ` after ${durationWords(gapMs)}`)
const closeWords = (code: number): string =>
  `${code}, ${(closeMeaning(code) ?? '').replace(/^./, (c) => c.toLowerCase())}`
const because = (reason: string | null | undefined): string => (reason ? `: ${reason}` : '')
const about = (...parts: (string | null | undefined | false)[]): string => parts.filter(Boolean).join(', ')

/**
 * The one table of sentences: for timelines, event lists, notifications, exports and the command line. A type without a sentence
 * does not compile.
 */
const SENTENCES: Sentences = {
  'node.started': {
    says: (d, e) =>
      `${who(e)} started (version ${d.version})${d.startedDrained ? ', drained as it was before' : ''}`,
  },
  'node.state_changed': { says: (d, e) => `${who(e)} went from ${d.from} to ${d.to}${because(d.reason)}` },
  'node.problem_found': { says: (d, e) => `${who(e)} reports a problem: ${d.problem}` },
  'node.problem_cleared': { says: (d, e) => `${who(e)} no longer reports: ${d.problem}` },
  'connection.closed': {
    says: (d) => `connection closed: ${d.reason}`,
    detail: (d) => about(d.route, d.client, `after ${durationWords(d.durationMs)}`),
  },
  'connections.counted': { says: (d) => `${plural(d.active, 'connection')} active` },
  'connection.refused': {
    says: (d) => `connection refused: ${d.reason}`,
    detail: (d) => about(d.client, `port ${d.port}`),
  },
  'route.changed': {
    says: (d) =>
      `routes changed: ${d.added.length} added, ${d.removed.length} removed, ${d.changed.length} changed`,
    detail: (d) => listWords([...d.added, ...d.removed, ...d.changed]),
  },
  'target.down': { says: (d) => `target ${d.target} of ${d.route} is down: ${d.reason}` },
  'target.up': { says: (d) => `target ${d.target} of ${d.route} is up after ${durationWords(d.downMs)}` },
  'certificate.issued': { says: (d) => `certificate issued for ${listWords(d.domains)}` },
  'certificate.failed': { says: (d) => `certificate failed for ${listWords(d.domains)}: ${d.reason}` },
  'certificate.expiring': {
    says: (d) => `certificate for ${listWords(d.domains)} expires in ${plural(d.days, 'day')}`,
  },
  'tunnel.registered': {
    says: (d, e) =>
      `${d.hostId} registered on ${who(e)}${afterGap(d.gapMs)}${d.previousNode && d.previousNode !== e.node ? `, before on ${d.previousNode}` : ''}`,
  },
  'tunnel.lost': { says: (d, e) => `${d.hostId} lost on ${who(e)} (${closeWords(d.code)})` },
  'tunnel.refused': {
    says: (d, e) => `${d.hostId ?? 'a host'} refused on ${who(e)} (${closeWords(d.code)})`,
  },
  'tunnel.replaced': { says: (d, e) => `${d.hostId} replaced its own tunnel on ${who(e)}` },
  'directory.unreachable': { says: (d) => `tunnel directory (${d.backend}) unreachable: ${d.reason}` },
  'directory.recovered': {
    says: (d) => `tunnel directory (${d.backend}) is back after ${durationWords(d.awayMs)}`,
  },
  'directory.stale_cleared': {
    says: (d) => `${plural(d.entries, 'stale directory entry', 'stale directory entries')} cleared`,
  },
  'push.session_connected': {
    says: (d) => `push session connected (number ${d.connects}, in ${durationWords(d.connectMs)})`,
  },
  'push.session_invalidated': {
    says: (d) => `push session invalidated: ${d.reason}`,
    detail: (d) => d.detail ?? '',
  },
  'push.rejected': {
    says: (d) => `push rejected: ${d.reason} (${d.status})`,
    detail: (d) => `token ${d.token}`,
  },
  'push.retried': { says: (d) => `push retried: ${d.reason}` },
  'push.failed': { says: (d) => `push failed: ${d.reason}` },
  'push.breaker_opened': { says: (d) => `prune breaker opened: ${d.reason}` },
  'push.breaker_closed': { says: (d) => `prune breaker closed: ${d.reason}` },
  'token.pruned': {
    says: (d) => `token pruned: ${d.reason} (${d.status})`,
    detail: (d) => `token ${d.token}`,
  },
  'token.restored': { says: (d) => `${plural(d.count, 'token')} restored` },
  'drain.started': { says: (d, e) => `drain of ${who(e)} started by ${d.initiator}${because(d.reason)}` },
  'drain.phase_changed': {
    says: (d, e) =>
      d.scope === 'node'
        ? `${who(e)} enters drain phase ${d.to}`
        : `drain of ${who(e)}: ${d.from === null ? d.to : `${d.from} → ${d.to}`}`,
  },
  'drain.completed': {
    says: (d, e) =>
      `drain of ${who(e)} complete${d.warnings.length === 0 ? '' : ` with ${plural(d.warnings.length, 'warning')}`}`,
  },
  'drain.aborted': { says: (d, e) => `drain of ${who(e)} aborted${because(d.reason)}` },
  'drain.budget_exceeded': {
    says: (d, e) =>
      `${who(e)} exceeded the budget of drain phase ${d.phase} (${durationWords(d.budgetMs)}); ${countWords(d.left)} left`,
  },
  'node.down': { says: (d, e) => `${who(e)} is down: ${d.reason}` },
  'node.recovered': { says: (d, e) => `${who(e)} answers again after ${durationWords(d.downMs)}` },
  'region.unreachable': { says: (d, e) => `${e.region ?? 'region'} is unreachable: ${d.reason}` },
  'stream.gap': { says: (d, e) => `events of ${who(e)} are missing: ${d.reason}` },
  'signal.opened': { says: (d) => `${d.kind} opened: ${d.sentence}` },
  'signal.closed': {
    says: (d) => `${d.kind} closed: ${d.sentence ?? `held for ${durationWords(d.heldMs)}`}`,
  },
  'incident.opened': { says: (d) => `incident opened (${d.severity}): ${d.title}` },
  'incident.acknowledged': { says: (d) => `incident acknowledged by ${d.actor}` },
  'incident.mitigated': {
    says: (d) => (d.actor === null ? 'incident mitigated' : `incident mitigated by ${d.actor}`),
  },
  'incident.resolved': {
    says: (d) =>
      d.actor === null
        ? 'incident resolved: every signal has been closed for 60 s'
        : `incident resolved by ${d.actor}`,
  },
  'drain.planned': {
    says: (d) => `drain of ${d.region ?? d.node ?? 'the fleet'} planned by ${d.actor}: ${d.reason}`,
  },
  'drain.resumed': { says: (d, e) => `${who(e)} resumed${d.actor ? ` by ${d.actor}` : ''}` },
  'operator.acted': { says: (d) => `${d.actor}: ${d.action} ${d.object}${because(d.reason)}` },
}

/** Data that is older than this version may lack a field; then nothing is said instead of something wrong. */
const orElse = (read: () => string, otherwise: string): string => {
  try {
    const text = read()
    return /\bundefined\b|\bNaN\b/.test(text) ? otherwise : text
  } catch {
    return otherwise
  }
}

/** The event as a sentence. An event whose data is older than this version reads as its type. */
export const eventSentence = (event: ToldEvent): string => {
  const { says } = (SENTENCES[event.type] ?? {}) as Partial<Sentence<never>>
  return orElse(() => says?.(event.data as never, event) ?? event.type, event.type)
}

/** What the sentence leaves out, for a list in which each event has a line of its own; empty where there is nothing more. */
export const eventDetail = (event: ToldEvent): string => {
  const { detail } = (SENTENCES[event.type] ?? {}) as Partial<Sentence<never>>
  return orElse(() => detail?.(event.data as never) ?? '', '')
}
