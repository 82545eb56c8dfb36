import { type ChannelConfig, type Incident, type NotificationKind, SEVERITIES } from '../../contract/index.ts'
import type { NotificationChange, OutboxPlan, StoredNotification } from '../../store/store.ts'
import { REOPEN_MS } from '../incidents/folding.ts'
import { newRow } from './new-row.ts'
import { isRouted } from './routes.ts'

// What one channel was told of one incident, and what it is to be told next. Pure; times in epoch ms.

const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** Messages older than this do not make the next one wait. */
const REMEMBERED_MS = 24 * HOUR
/**
 * From the last message of a conversation to the next, by how many there were: an incident that comes and goes all night is told at
 * once, and then less and less often. The last one holds for all that follow.
 */
const GAPS_MS = [0, 0, 15 * MINUTE, HOUR, 4 * HOUR] as const
/** From the third message on a recovery is told when the incident cannot be reopened any more. */
const FLAPPING_FROM = 3

/** Messages that say: something is wrong. */
const TELLING: ReadonlySet<NotificationKind> = new Set(['opened', 'updated', 'repeated'])

export const isTelling = (kind: NotificationKind): boolean => TELLING.has(kind)

type Channel = Pick<
  ChannelConfig,
  'name' | 'kind' | 'min' | 'regions' | 'signals' | 'groupWaitSeconds' | 'repeatHours' | 'recovery'
>

interface Conversation {
  /** Waits or is sent right now, oldest first. */
  pending: readonly StoredNotification[]
  sent: readonly StoredNotification[]
  /** The last that was sent says that something is wrong. */
  isTold: boolean
  /** An attempt may have arrived although nobody said so. */
  mayBeTold: boolean
  /** Messages that make the next one wait. */
  count: number
  /** When the last was sent; 0 where none was. A clock that was set back never makes it later than now. */
  lastAt: number
}

const conversationOf = (rows: readonly StoredNotification[], now: number): Conversation => {
  const pending = rows.filter(({ state, nextAttemptAt }) => state === 'sending' || nextAttemptAt !== null)
  const sent = rows
    .filter(({ sentAt, kind }) => sentAt !== null && kind !== 'acknowledged')
    .sort((a, b) => (a.sentAt ?? 0) - (b.sentAt ?? 0) || (a.id < b.id ? -1 : 1))
  const last = sent.at(-1)
  return {
    pending,
    sent,
    isTold: last !== undefined && isTelling(last.kind),
    mayBeTold: pending.some(({ kind, attempts }) => isTelling(kind) && attempts > 0),
    count: sent.filter(({ kind, sentAt }) => kind !== 'repeated' && (sentAt ?? 0) > now - REMEMBERED_MS)
      .length,
    lastAt: Math.min(last?.sentAt ?? 0, now),
  }
}

interface Change {
  opened: boolean
  reopened: boolean
  worse: boolean
  joined: boolean
  acknowledged: boolean
  mitigated: boolean
  resolved: boolean
}

const keyOf = ({ kind, scope, openedAt }: Incident['signals'][number]): string =>
  `${kind}|${scope}|${openedAt}`

/** Signals that a change of an incident opened, also again. */
export const signalsOpened = (before: Incident | null, after: Incident): Incident['signals'] => {
  const known = new Set(before?.signals.map(keyOf))
  return after.signals.filter((signal) => !known.has(keyOf(signal)))
}

/** What of a change people may want to know; null where nothing is. */
export const changeBetween = (before: Incident | null, after: Incident): Change | null => {
  const isOver = after.state === 'resolved'
  const change: Change = {
    opened: before === null && !isOver,
    reopened: before?.state === 'resolved' && !isOver,
    worse:
      before !== null && !isOver && SEVERITIES.indexOf(after.severity) > SEVERITIES.indexOf(before.severity),
    joined: before !== null && !isOver && signalsOpened(before, after).length > 0,
    acknowledged: before !== null && before.state !== after.state && after.state === 'acknowledged',
    mitigated: before !== null && before.state !== after.state && after.state === 'mitigated',
    resolved: before !== null && before.state !== 'resolved' && isOver,
  }
  return Object.values(change).some(Boolean) ? change : null
}

const dropped = ({ id }: StoredNotification, reason: string): NotificationChange => ({
  id,
  state: 'silenced',
  nextAttemptAt: null,
  reason,
})

const overtaken = ({ id }: StoredNotification, by: string): NotificationChange => ({
  id,
  state: 'failed',
  nextAttemptAt: null,
  reason: `given up: overtaken by ${by}`,
})

const reasonOf = ({ opened, reopened, worse }: Change, incident: Incident): string => {
  if (opened) return `incident opened: ${incident.title}`
  if (reopened) return `incident opened again: ${incident.title}`
  if (worse) return `severity rose to ${incident.severity}`
  return `another signal joined: ${incident.signals.at(-1)?.kind ?? ''}`
}

interface Writing {
  add: StoredNotification[]
  change: NotificationChange[]
}

interface Telling {
  change: Change
  after: Incident
  now: number
  into: Writing
  /** How long what came has to last until a channel is told that was told of nothing of the incident, ms. */
  waitMs: (channel: string) => number
}

/** Something is wrong, again or more than before. */
const tell = (
  channel: Channel,
  conversation: Conversation,
  { change, after, now, into, waitMs }: Telling,
): void => {
  const { pending, isTold, mayBeTold, count, lastAt } = conversation
  for (const row of pending) {
    if (row.kind !== 'recovered' || row.state === 'sending') continue
    into.change.push(
      row.attempts === 0
        ? dropped(row, 'the incident was reopened before its end was told')
        : overtaken(row, 'its reopening'),
    )
  }
  if (!isRouted(channel, after)) return
  const groupMs = channel.groupWaitSeconds * 1_000
  const isFirst = count === 0 && !isTold && !mayBeTold && !change.worse
  const soon = now + (isFirst ? Math.max(groupMs, waitMs(channel.name)) : groupMs)
  const gap = GAPS_MS[Math.min(count, GAPS_MS.length - 1)] ?? 0
  const due = change.worse || count === 0 ? soon : Math.max(soon, lastAt + gap)
  // It says what holds when it is first sent; one that was tried already keeps its words, and another one follows it.
  const waiting = pending.find(
    ({ kind, state, attempts }) => isTelling(kind) && state !== 'sending' && attempts === 0,
  )
  if (waiting !== undefined) {
    if (waiting.state === 'waiting' && due < (waiting.nextAttemptAt ?? 0))
      into.change.push({ id: waiting.id, nextAttemptAt: due })
    return
  }
  const kind = isTold || mayBeTold ? 'updated' : 'opened'
  into.add.push(
    newRow({ channel: channel.name, kind, incidentId: after.id }, reasonOf(change, after), { now, due }),
  )
}

/** It is over. */
const end = (
  channel: Channel,
  { pending, isTold, mayBeTold, count }: Conversation,
  { after, now, into }: { after: Incident; now: number; into: Writing },
): void => {
  for (const row of pending.filter(({ kind }) => kind !== 'recovered')) {
    if (row.attempts === 0) into.change.push(dropped(row, 'the incident was over before it was told'))
    else if (channel.recovery && row.state !== 'sending') into.change.push(overtaken(row, 'its recovery'))
  }
  if (!channel.recovery || !(isTold || mayBeTold)) return
  const due = count >= FLAPPING_FROM ? now + REOPEN_MS : now
  const reason = `incident resolved: ${after.title}`
  into.add.push(
    newRow({ channel: channel.name, kind: 'recovered', incidentId: after.id }, reason, { now, due }),
  )
}

/** Somebody takes care: it is not repeated, and who pages people is told to stop. */
const calm = (
  channel: Channel,
  { pending, isTold, mayBeTold }: Conversation,
  { change, after, now, into }: { change: Change; after: Incident; now: number; into: Writing },
): void => {
  for (const row of pending)
    if (row.kind === 'repeated' && row.attempts === 0)
      into.change.push(dropped(row, `the incident was ${after.state} before it was repeated`))
  if (!change.acknowledged || channel.kind !== 'pagerduty' || !(isTold || mayBeTold)) return
  const reason = `acknowledged by ${after.acknowledgedBy ?? 'somebody'}`
  into.add.push(
    newRow({ channel: channel.name, kind: 'acknowledged', incidentId: after.id }, reason, { now, due: now }),
  )
}

const rowsOf = (rows: readonly StoredNotification[], channel: string): StoredNotification[] =>
  rows.filter((row) => row.channel === channel)

/** What a change of an incident means for what people are told; null where it means nothing. */
export const planOf = (
  before: Incident | null,
  after: Incident,
  channels: readonly Channel[],
  now: number,
  waitMs: Telling['waitMs'] = () => 0,
): OutboxPlan | null => {
  const change = channels.length === 0 ? null : changeBetween(before, after)
  if (change === null) return null
  return (rows) => {
    const into: Writing = { add: [], change: [] }
    for (const channel of channels) {
      const conversation = conversationOf(rowsOf(rows, channel.name), now)
      if (change.resolved) end(channel, conversation, { after, now, into })
      else {
        if (change.opened || change.reopened || change.worse || change.joined)
          tell(channel, conversation, { change, after, now, into, waitMs })
        if (change.acknowledged || change.mitigated) calm(channel, conversation, { change, after, now, into })
      }
    }
    return into
  }
}

/** The channels that were told that something is wrong with an incident, and not yet that it is over; or may have been. */
export const toldOf = (
  rows: readonly StoredNotification[],
  channels: readonly Channel[],
  now: number,
): string[] =>
  channels.flatMap(({ name }) => {
    const { isTold, mayBeTold } = conversationOf(rowsOf(rows, name), now)
    return isTold || mayBeTold ? [name] : []
  })

/** Tells again what is still open and acknowledged by nobody; null where nothing of it is due. */
export const repeatsOf = (
  incident: Incident,
  rows: readonly StoredNotification[],
  channels: readonly Channel[],
  now: number,
): OutboxPlan | null => {
  if (incident.state !== 'open') return null
  const dueIn = (known: readonly StoredNotification[]): Channel[] =>
    channels.filter((channel) => {
      const { pending, isTold, lastAt } = conversationOf(rowsOf(known, channel.name), now)
      return (
        isTold &&
        pending.length === 0 &&
        now - lastAt >= channel.repeatHours * HOUR &&
        isRouted(channel, incident)
      )
    })
  if (dueIn(rows).length === 0) return null
  // Asked again of what is stored at that moment: another collector may have been first.
  return (known) => ({
    add: dueIn(known).map(({ name, repeatHours }) =>
      newRow(
        { channel: name, kind: 'repeated', incidentId: incident.id },
        `still open after ${repeatHours} h without a word`,
        {
          now,
          due: now,
        },
      ),
    ),
    change: [],
  })
}
