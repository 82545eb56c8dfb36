import { CHANNEL_MESSAGES_PER_HOUR, type Incident } from '../../contract/index.ts'
import type { ChannelFigures, Store, StoredNotification } from '../../store/store.ts'
import { channelWords, type Envelope, type Message, summaryMessage } from './channels/message.ts'
import { isTelling } from './conversation.ts'
import type { Lane } from './lane.ts'
import type { Ledger } from './ledger.ts'
import { newRow } from './new-row.ts'

/** What a channel has had of its hour. */
export interface Share {
  sent: number
  lastSummaryAt: number | null
  /** The summary that waits for its time. */
  summaryId: string | null
}

export const shareOf = (figures: ChannelFigures | undefined): Share => ({
  sent: figures?.sentLastHour ?? 0,
  lastSummaryAt: figures?.lastSummaryAt ?? null,
  summaryId: figures?.waitingSummaryId ?? null,
})

const TOO_MANY = `more than ${CHANNEL_MESSAGES_PER_HOUR} messages in an hour`
/** Why a message was left to a summary; by it the summary finds what it is to tell. */
const heldBackFor = (summaryId: string): string => `held back: ${TOO_MANY}, told in summary ${summaryId}`

/** By which ways a channel was told that something is wrong, and not yet that it is over. */
const openWays = (rows: readonly StoredNotification[]): { alone: boolean; bySummary: boolean } => {
  const told = rows
    .filter(({ sentAt, kind }) => sentAt !== null && (isTelling(kind) || kind === 'recovered'))
    .sort((a, b) => (a.sentAt ?? 0) - (b.sentAt ?? 0) || (a.id < b.id ? -1 : 1))
  const isOpen = (of: readonly StoredNotification[]): boolean => {
    const last = of.at(-1)
    return last !== undefined && isTelling(last.kind)
  }
  return {
    alone: isOpen(told.filter(({ state }) => state === 'sent')),
    bySummary: isOpen(told.filter(({ state }) => state === 'silenced')),
  }
}

export interface SummariesOptions {
  store: Pick<Store, 'addNotification' | 'conversations' | 'takeHeldBack' | 'endHeldBack'>
  ledger: Ledger
  incidentOf: (id: string) => Promise<Incident | null>
  /** Wall clock, epoch ms. */
  now: () => number
  /** From the first message that is held back to the summary, and between two summaries, ms. */
  times: { summaryMs: number; nextSummaryMs: number }
}

/**
 * What is told of many incidents at once: beginnings above the channel's share of the hour, and the ends of what a summary told. Whoever
 * was told of a beginning is told of its end, in the same way (ADR 0058).
 */
export class Summaries {
  readonly #options: SummariesOptions

  constructor(options: SummariesOptions) {
    this.#options = options
  }

  /** True where a message of an incident is left to a summary. */
  async takes(lane: Lane, row: StoredNotification, share: Share): Promise<boolean> {
    // A message that was tried is on its way already.
    if (row.attempts > 0) return false
    if (row.kind === 'recovered') return this.#takesEnd(lane, row, share)
    if (!isTelling(row.kind) || share.sent < CHANNEL_MESSAGES_PER_HOUR) return false
    await this.#leave(row, share, `${channelWords(lane.config)} is told in a summary: it had ${TOO_MANY}`)
    lane.figures.heldBack += 1
    return true
  }

  /** What a summary says, from its first attempt on; null where nothing is left to say. */
  async messageOf(row: StoredNotification, envelope: Envelope): Promise<Message | null> {
    const { store, now, incidentOf } = this.#options
    const held = await store.takeHeldBack({ channel: row.channel, reason: heldBackFor(row.id), now: now() })
    if (held.incidents === 0) return null
    const incidents = await Promise.all(held.ids.map(incidentOf))
    return summaryMessage(envelope, {
      ...held,
      shown: incidents.filter((incident) => incident !== null),
      perHour: CHANNEL_MESSAGES_PER_HOUR,
    })
  }

  /** A summary arrived, or was given up: then nobody was told of what it said. */
  async ended({ id, channel }: Pick<StoredNotification, 'id' | 'channel'>, isTold: boolean): Promise<void> {
    const { store, now } = this.#options
    await store.endHeldBack({ channel, reason: heldBackFor(id), isTold, now: now() })
  }

  /** The end of what a summary told; what was told by a message of its own as well is ended in both ways. */
  async #takesEnd(lane: Lane, row: StoredNotification, share: Share): Promise<boolean> {
    const { store, now } = this.#options
    const { channel, incidentId, reason } = row
    if (incidentId === null) return false
    const known = await store.conversations([incidentId])
    const { alone, bySummary } = openWays(known.filter((each) => each.channel === channel))
    if (!bySummary) return false
    if (!alone) {
      await this.#leave(row, share, `${channelWords(lane.config)} is told of the end in a summary`)
      return true
    }
    const at = now()
    const twin = newRow({ channel, kind: 'recovered', incidentId }, reason, { now: at, due: at })
    await store.addNotification(twin)
    await this.#leave(twin, share, null)
    return false
  }

  async #leave(row: StoredNotification, share: Share, title: string | null): Promise<void> {
    share.summaryId ??= await this.#add(row.channel, share)
    const reason = heldBackFor(share.summaryId)
    await this.#options.ledger.settle(row, { state: 'silenced', nextAttemptAt: null, reason }, title)
  }

  /** Answers its id. It is in the store before anything is left to it. */
  async #add(channel: string, { lastSummaryAt }: Share): Promise<string> {
    const { store, now, times } = this.#options
    const at = now()
    const next = lastSummaryAt === null ? 0 : Math.min(lastSummaryAt, at) + times.nextSummaryMs
    const due = Math.max(at + times.summaryMs, next)
    const row = newRow({ channel, kind: 'summary', incidentId: null }, TOO_MANY, { now: at, due })
    await store.addNotification(row)
    return row.id
  }
}
