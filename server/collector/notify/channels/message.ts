import {
  type ChannelConfig,
  type Incident,
  type NotificationKind,
  plainLine,
  type Severity,
} from '../../../contract/index.ts'
import { countWords, durationWords, listWords, plural } from '../../../contract/words.ts'
import { worstFirst } from '../../incidents/headline.ts'
import { remedyOf } from './remedy.ts'

/** What a message says, whatever carries it. Every text is one line without control characters. */
export interface Message {
  /** Of the notification: the same in every attempt. */
  id: string
  kind: NotificationKind
  channel: string
  /** ISO time at which it was written. */
  at: string
  severity: Severity
  /** Severity, place and what: what a lock screen shows. */
  headline: string
  /** Label and text, in the order in which they are read. */
  lines: { label: string; text: string }[]
  /** Where to look. */
  link: string
  /** Null in a summary and a test. */
  incident: MessageIncident | null
  /** What a summary tells in numbers; null in all others. */
  summary: MessageSummary | null
}

interface MessageSummary {
  incidents: number
  /** Of these, not over. */
  open: number
  /** Not over, of all that summaries of the channel have told. */
  stillOpen: number
}

interface MessageIncident {
  id: string
  title: string
  severity: Severity
  state: Incident['state']
  regions: string[]
  nodes: string[]
  /** Kind of the signal that it is named after; null where it has none. */
  lead: string | null
  signals: { kind: string; scope: string; openedAt: string; closedAt: string | null; sentence: string }[]
  startedAt: string
  resolvedAt: string | null
  acknowledgedBy: string | null
  impact: string | null
}

/** A headline is cut here; its first 60 characters carry what matters. */
const MAX_HEADLINE = 200
const MAX_LINE = 500
/** Signals that a message lists. */
const MAX_SIGNALS = 20
/** Names that a summary lists. */
const MAX_NAMES = 15

const cut = (text: string, most: number): string => {
  const plain = plainLine(text).trim()
  return plain.length <= most ? plain : `${plain.slice(0, most - 1).trimEnd()}…`
}

/** `2026-04-27 18:00 UTC`. */
const momentWords = (iso: string): string => `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`

const endOf = ({ resolvedAt }: Incident, now: number): number =>
  resolvedAt === undefined ? now : Date.parse(resolvedAt)

const heldWords = (incident: Incident, now: number): string =>
  durationWords(endOf(incident, now) - Date.parse(incident.startedAt))

const WORDS: Readonly<Record<Severity, string>> = { critical: 'CRITICAL', warning: 'WARNING', info: 'INFO' }

const headlineOf = (kind: NotificationKind, incident: Incident, now: number): string => {
  const place = listWords(incident.regions, 2)
  const what = place === '' ? incident.title : `${place}: ${incident.title}`
  const held = heldWords(incident, now)
  // A title says what was: how long it held stands before it, so that nothing reads as if it still did.
  if (kind === 'recovered')
    return cut(`RESOLVED ${place === '' ? '' : `${place} `}after ${held}: ${incident.title}`, MAX_HEADLINE)
  if (kind === 'acknowledged') return cut(`ACKNOWLEDGED ${what}`, MAX_HEADLINE)
  const word = WORDS[incident.severity]
  if (kind === 'repeated') return cut(`STILL ${word} ${what}, for ${held}`, MAX_HEADLINE)
  return cut(`${word} ${what}`, MAX_HEADLINE)
}

/** How often the signal came that came most often; an incident that comes and goes is told by that. */
const openings = ({ signals }: Incident): { kind: string; scope: string; count: number } | null => {
  const counts = Map.groupBy(signals, ({ kind, scope }) => `${kind} ${scope}`)
  const most = [...counts.values()].sort((a, b) => b.length - a.length)[0]
  const [first] = most ?? []
  return most === undefined || first === undefined || most.length < 2
    ? null
    : { kind: first.kind, scope: first.scope, count: most.length }
}

const placeOf = ({ regions, nodes }: Incident): string => {
  const where = [
    ...(regions.length === 0
      ? []
      : [`${regions.length === 1 ? 'region' : 'regions'} ${listWords(regions, 5)}`]),
    ...(nodes.length === 0 ? [] : [`${nodes.length === 1 ? 'node' : 'nodes'} ${listWords(nodes, 5)}`]),
  ]
  return where.join(', ')
}

const linesOf = (
  kind: NotificationKind,
  incident: Incident,
  { now, note }: { now: number; note: string | null },
): Message['lines'] => {
  const isOver = kind === 'recovered'
  const shown = worstFirst(incident).slice(0, 3)
  const often = openings(incident)
  const span = heldWords(incident, now)
  const lines = [
    { label: 'What', text: shown.map(({ sentence }) => sentence).join('; ') },
    { label: 'Where', text: placeOf(incident) },
    {
      label: isOver ? 'Lasted' : 'Since',
      text: isOver
        ? `${span}, from ${momentWords(incident.startedAt)} to ${momentWords(incident.resolvedAt ?? new Date(now).toISOString())}`
        : `${momentWords(incident.startedAt)} (${span} ago)`,
    },
    ...(often === null
      ? []
      : [
          {
            label: 'How often',
            text: `${often.kind} of ${often.scope.replace(':', ' ')} opened ${often.count} times in ${span}`,
          },
        ]),
    { label: isOver ? 'Cost' : 'Impact', text: incident.impact ?? '' },
    ...(note === null ? [] : [{ label: 'Note', text: note }]),
    ...(incident.acknowledgedBy === undefined || isOver
      ? []
      : [{ label: 'Taken by', text: incident.acknowledgedBy }]),
    ...(isOver ? [] : [{ label: 'What to do', text: remedyOf(incident) }]),
  ]
  return lines
    .map(({ label, text }) => ({ label, text: cut(text, MAX_LINE) }))
    .filter(({ text }) => text !== '')
}

const factsOf = (incident: Incident): MessageIncident => ({
  id: incident.id,
  title: cut(incident.title, MAX_HEADLINE),
  severity: incident.severity,
  state: incident.state,
  regions: incident.regions,
  nodes: incident.nodes.slice(0, 100),
  lead: worstFirst(incident)[0]?.kind ?? null,
  signals: incident.signals.slice(-MAX_SIGNALS).map(({ kind, scope, openedAt, closedAt, sentence }) => ({
    kind,
    scope,
    openedAt,
    closedAt: closedAt ?? null,
    sentence: cut(sentence, MAX_LINE),
  })),
  startedAt: incident.startedAt,
  resolvedAt: incident.resolvedAt ?? null,
  acknowledgedBy: incident.acknowledgedBy ?? null,
  impact: incident.impact === null ? null : cut(incident.impact, MAX_LINE),
})

export interface Envelope {
  id: string
  channel: string
  /** Epoch ms. */
  now: number
  /** Address of the pages, without a slash at its end. */
  url: string
}

/** What is told of an incident. `note`: what else the reader has to know, such as a silence that has ended. */
export const incidentMessage = (
  { id, channel, now, url }: Envelope,
  kind: NotificationKind,
  incident: Incident,
  note: string | null,
): Message => ({
  id,
  kind,
  channel,
  at: new Date(now).toISOString(),
  severity: incident.severity,
  headline: headlineOf(kind, incident, now),
  lines: linesOf(kind, incident, { now, note }),
  link: `${url}/incidents/${encodeURIComponent(incident.id)}`,
  incident: factsOf(incident),
  summary: null,
})

/** Whether a message says that something is over. */
export const isEnd = ({ kind, summary }: Pick<Message, 'kind' | 'summary'>): boolean =>
  kind === 'recovered' || summary?.open === 0

const WORST_FIRST = ['critical', 'warning', 'info'] as const

const summaryHeadline = (places: string, worst: Severity, { incidents, open }: MessageSummary): string => {
  const where = places === '' ? '' : `${places}: `
  return open === 0
    ? `RESOLVED ${where}${plural(incidents, 'more incident is over', 'more incidents are over')}`
    : `${WORDS[worst]} ${where}${plural(incidents, 'more incident')}, ${countWords(open)} open`
}

/** What is told in the place of many: the incidents of which messages were held back, and those of earlier summaries that are over. */
export const summaryMessage = (
  { id, channel, now, url }: Envelope,
  held: MessageSummary & { shown: readonly Incident[]; messages: number; ends: number; perHour: number },
): Message => {
  const { shown, messages, ends, incidents, open, stillOpen, perHour } = held
  const isOpen = ({ state }: Incident): boolean => state !== 'resolved'
  const worst =
    WORST_FIRST.find((each) => shown.some((one) => one.severity === each && isOpen(one))) ?? 'info'
  const places = listWords([...new Set(shown.flatMap(({ regions }) => regions))].sort(), 5)
  const named = shown.slice(0, MAX_NAMES)
  const what = [
    ...(messages === 0
      ? []
      : [
          `${plural(messages, 'message was', 'messages were')} held back: this channel had ${perHour} in an hour`,
        ]),
    ...(ends === 0
      ? []
      : [`${plural(ends, 'incident', 'incidents')} of a summary ${ends === 1 ? 'is' : 'are'} over`]),
  ]
  return {
    id,
    kind: 'summary',
    channel,
    at: new Date(now).toISOString(),
    severity: worst,
    headline: cut(summaryHeadline(places, worst, held), MAX_HEADLINE),
    lines: [
      { label: 'What', text: what.join('; ') },
      ...named.map((incident) => ({
        label: WORDS[incident.severity],
        text: cut(
          `${listWords(incident.regions, 2)}: ${incident.title}${isOpen(incident) ? '' : ' (resolved)'}`,
          MAX_LINE,
        ),
      })),
      ...(incidents > named.length ? [{ label: 'And', text: `${incidents - named.length} more` }] : []),
      ...(stillOpen === 0
        ? []
        : [{ label: 'Open', text: `${plural(stillOpen, 'incident')} of the summaries of this channel` }]),
      ...(open === 0
        ? []
        : [
            {
              label: 'What to do',
              text: 'Look for one cause behind them: the network, a deploy, Tidegate’s own machine.',
            },
          ]),
    ],
    link: `${url}/incidents`,
    incident: null,
    summary: { incidents, open, stillOpen },
  }
}

const SPOKEN: Readonly<Record<ChannelConfig['kind'], string>> = {
  webhook: 'webhook',
  slack: 'Slack',
  email: 'e-mail',
  ntfy: 'ntfy',
  pagerduty: 'PagerDuty',
}

/** `team (Slack)`. */
export const channelWords = ({ name, kind }: Pick<ChannelConfig, 'name' | 'kind'>): string =>
  `${name} (${SPOKEN[kind]})`

export const testMessage = (
  { id, channel, now, url }: Envelope,
  kind: ChannelConfig['kind'],
  actor: string,
): Message => ({
  id,
  kind: 'test',
  channel,
  at: new Date(now).toISOString(),
  severity: 'info',
  headline: cut(`TEST Tidegate reaches ${channelWords({ name: channel, kind })}`, MAX_HEADLINE),
  lines: [
    { label: 'What', text: 'A test. Nothing is wrong, and nothing is to be done.' },
    { label: 'Sent by', text: cut(actor, MAX_LINE) },
    { label: 'At', text: momentWords(new Date(now).toISOString()) },
  ],
  link: `${url}/settings/notifications`,
  incident: null,
  summary: null,
})

/** All of it as plain text. */
export const textOf = ({ lines, link }: Message): string =>
  [...lines.map(({ label, text }) => `${label}: ${text}`), link].join('\n')
