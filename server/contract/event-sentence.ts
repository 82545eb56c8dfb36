import { closeCode, closeMeaning } from './close-codes.ts'
import type { EventData, EventType, FleetEvent } from './events.ts'
import {
  CONNECTION_WORDS,
  deedWords,
  NODE_PHASE_WORDS,
  PUSH_WORDS,
  SESSION_WORDS,
  TARGET_WORDS,
  withCode,
} from './reason-words.ts'
import { countWords, durationWords, listWords, plural, verbFor } from './words.ts'

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
  closeCode(code) === undefined
    ? `close code ${code}`
    : `${(closeMeaning(code) ?? '').replace(/^./, (c) => c.toLowerCase())} (${code})`
const because = (reason: string | null | undefined): string => (reason ? `: ${reason}` : '')
const about = (...parts: (string | null | undefined | false)[]): string => parts.filter(Boolean).join(', ')

/**
 * The one table of sentences: for timelines, event lists, notifications, exports and the command line. A type without a sentence
 * does not compile.
 */
const SENTENCES: Sentences = {
  'node.started': {
    says: (d, e) =>
      `${who(e)} started with version ${d.version}${d.startedDrained ? ', drained as it was before' : ''}`,
  },
  'node.state_changed': { says: (d, e) => `${who(e)} went from ${d.from} to ${d.to}${because(d.reason)}` },
  'node.problem_found': { says: (d, e) => `${who(e)} reports a problem: ${d.problem}` },
  'node.problem_cleared': { says: (d, e) => `${who(e)} no longer reports: ${d.problem}` },
  'connection.closed': {
    says: (d, e) => `a connection on ${who(e)} was closed: ${withCode(CONNECTION_WORDS, d.reason)}`,
    detail: (d) =>
      about(d.route && `route ${d.route}`, `from ${d.client}`, `after ${durationWords(d.durationMs)}`),
  },
  'connections.counted': {
    says: (d, e) => `${plural(d.active, 'connection')} ${verbFor(d.active, 'is', 'are')} open on ${who(e)}`,
  },
  'connection.refused': {
    says: (d, e) => `${who(e)} refused a connection: ${withCode(CONNECTION_WORDS, d.reason)}`,
    detail: (d) => about(`from ${d.client}`, `port ${d.port}`),
  },
  'route.changed': {
    says: (d, e) =>
      `the routes of ${who(e)} were changed: ${d.added.length} added, ${d.removed.length} removed, ${d.changed.length} changed`,
    detail: (d) => listWords([...d.added, ...d.removed, ...d.changed]),
  },
  'target.down': {
    says: (d) => `target ${d.target} of route ${d.route} is down: ${withCode(TARGET_WORDS, d.reason)}`,
    detail: (d) => (d.left === 0 ? 'no other target of the route is up: all are tried all the same' : ''),
  },
  'target.up': {
    says: (d) => `target ${d.target} of route ${d.route} is up again after ${durationWords(d.downMs)}`,
  },
  'certificate.issued': { says: (d) => `a certificate was issued for ${listWords(d.domains)}` },
  'certificate.failed': {
    says: (d) => `no certificate could be had for ${listWords(d.domains)}: ${d.reason}`,
  },
  'certificate.expiring': {
    says: (d) => `the certificate for ${listWords(d.domains)} expires in ${plural(d.days, 'day')}`,
  },
  'tunnel.registered': {
    says: (d, e) =>
      `${d.hostId} registered on ${who(e)}${afterGap(d.gapMs)}${d.previousNode && d.previousNode !== e.node ? `; it was on ${d.previousNode} before` : ''}`,
  },
  'tunnel.lost': { says: (d, e) => `${d.hostId} lost its tunnel to ${who(e)}: ${closeWords(d.code)}` },
  'tunnel.refused': {
    says: (d, e) => `${who(e)} refused ${d.hostId ?? 'a host'}: ${closeWords(d.code)}`,
  },
  'tunnel.replaced': { says: (d, e) => `${d.hostId} replaced its own tunnel on ${who(e)}` },
  'directory.unreachable': {
    says: (d, e) => `${who(e)} cannot reach the tunnel directory (${d.backend}): ${d.reason}`,
  },
  'directory.recovered': {
    says: (d, e) =>
      `${who(e)} reaches the tunnel directory (${d.backend}) again after ${durationWords(d.awayMs)}`,
  },
  'directory.stale_cleared': {
    says: (d, e) =>
      `${who(e)} cleared ${plural(d.entries, 'stale entry', 'stale entries')} from the tunnel directory`,
  },
  'push.session_connected': {
    says: (d, e) =>
      `${who(e)} opened push session number ${countWords(d.connects)} within ${durationWords(d.connectMs)}`,
  },
  'push.session_invalidated': {
    says: (d, e) => `the push session of ${who(e)} was invalidated: ${withCode(SESSION_WORDS, d.reason)}`,
    detail: (d) => d.detail ?? '',
  },
  'push.rejected': {
    says: (d, e) =>
      `a push from ${who(e)} was rejected with status ${d.status}: ${withCode(PUSH_WORDS, d.reason)}`,
    detail: (d) => `token ${d.token}`,
  },
  'push.retried': { says: (d, e) => `${who(e)} sent a push again: ${withCode(PUSH_WORDS, d.reason)}` },
  'push.failed': { says: (d, e) => `${who(e)} could not send a push: ${withCode(PUSH_WORDS, d.reason)}` },
  'push.breaker_opened': {
    says: (d, e) => `${who(e)} stopped removing device tokens (the breaker opened): ${d.reason}`,
  },
  'push.breaker_closed': {
    says: (d, e) => `${who(e)} removes device tokens again (the breaker closed): ${d.reason}`,
  },
  'token.pruned': {
    says: (d, e) =>
      `${who(e)} removed a device token after status ${d.status}: ${withCode(PUSH_WORDS, d.reason)}`,
    detail: (d) => `token ${d.token}`,
  },
  'token.restored': { says: (d, e) => `${who(e)} put back ${plural(d.count, 'device token')}` },
  'drain.started': {
    says: (d, e) => `the drain of ${who(e)} was started by ${d.initiator}${because(d.reason)}`,
  },
  'drain.phase_changed': {
    says: (d, e) =>
      d.scope === 'node'
        ? `the drain of ${who(e)} went on: ${withCode(NODE_PHASE_WORDS, d.to)}`
        : `the drain of ${who(e)} ${d.from === null ? 'is' : `went from ${d.from} to`} ${d.to}`,
  },
  'drain.completed': {
    says: (d, e) =>
      `the drain of ${who(e)} is complete${d.warnings.length === 0 ? '' : ` with ${plural(d.warnings.length, 'warning')}`}`,
  },
  'drain.aborted': { says: (d, e) => `the drain of ${who(e)} was aborted${because(d.reason)}` },
  'drain.budget_exceeded': {
    says: (d, e) =>
      `the drain of ${who(e)} spent more than ${durationWords(d.budgetMs)} on ${withCode(NODE_PHASE_WORDS, d.phase)}; ${countWords(d.left)} left`,
  },
  'node.down': { says: (d, e) => `${who(e)} is down: ${d.reason}` },
  'node.recovered': { says: (d, e) => `${who(e)} answers again after ${durationWords(d.downMs)}` },
  'region.unreachable': { says: (d, e) => `${e.region ?? 'region'} is unreachable: ${d.reason}` },
  'stream.gap': { says: (d, e) => `some events of ${who(e)} are missing: ${d.reason}` },
  'signal.opened': { says: (d) => `${d.kind} opened: ${d.sentence}` },
  'signal.closed': {
    says: (d) => `${d.kind} closed: ${d.sentence ?? `it held for ${durationWords(d.heldMs)}`}`,
  },
  'incident.opened': { says: (d) => `an incident was opened (${d.severity}): ${d.title}` },
  'incident.acknowledged': { says: (d) => `the incident was acknowledged by ${d.actor}` },
  'incident.mitigated': {
    says: (d) => `the incident was marked mitigated${d.actor === null ? '' : ` by ${d.actor}`}`,
  },
  'incident.resolved': {
    says: (d) =>
      d.actor === null
        ? 'the incident is resolved: every signal has been closed for 60 s'
        : `the incident was resolved by ${d.actor}`,
  },
  'drain.planned': {
    says: (d) => `a drain of ${d.region ?? d.node ?? 'the fleet'} was planned by ${d.actor}: ${d.reason}`,
  },
  'drain.resumed': { says: (d, e) => `${who(e)} was resumed${d.actor ? ` by ${d.actor}` : ''}` },
  'operator.acted': {
    says: (d) => `${d.actor} ${deedWords(d.action)} (${d.title || d.object})${because(d.reason)}`,
  },
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
