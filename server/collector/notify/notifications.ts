import {
  type Actor,
  AppError,
  type ChannelConfig,
  type Incident,
  type LivePublisher,
  type Notification,
  type NotificationChannel,
  type NotificationTest,
  type Page,
  type RoomProblem,
} from '../../contract/index.ts'
import { listWords } from '../../contract/words.ts'
import type { Log } from '../../observe/log.ts'
import type { OutboxPlan, Store, StoredNotification } from '../../store/store.ts'
import type { ChannelCounts, NotificationDesk } from '../desks/notification-desk.ts'
import type { IncidentTeller } from '../incidents/kept-incidents.ts'
import { Recurring } from '../pace/recurring.ts'
import { channelWords } from './channels/message.ts'
import { changeBetween, planOf, repeatsOf, signalsOpened, toldOf } from './conversation.ts'
import { Courier, type CourierStore, type CourierTimes } from './courier.ts'
import type { Lane } from './lane.ts'
import { Recurrences } from './recurrences.ts'
import type { SilencedBy } from './silence.ts'

const LOOK_MS = 1_000
const REPEATS_MS = 30_000
const TIDY_MS = 10_000
/** A channel that fails for less is not worth a line on every page. */
const FAILING_MS = 5 * 60_000
/** Incidents of one question to the store. */
const MAX_ASKED = 500

export interface NotificationsOptions {
  store: CourierStore & Pick<Store, 'conversations' | 'planNotifications' | 'notifications' | 'audit'>
  live: Pick<LivePublisher, 'changed'>
  log: Log
  /** Wall clock, epoch ms. */
  now: () => number
  monotonic?: () => number
  /** Unresolved incidents. */
  open: () => readonly Incident[]
  incidentOf: (id: string) => Promise<Incident | null>
  silencedBy: SilencedBy
  /** Address of the pages, without a slash at its end. */
  url: string
  times?: Partial<CourierTimes>
}

const isoOf = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString())

const shown = (row: StoredNotification): Notification => ({
  id: row.id,
  channel: row.channel,
  kind: row.kind,
  incidentId: row.incidentId,
  reason: row.reason,
  state: row.state,
  attempts: row.attempts,
  nextAttemptAt: isoOf(row.nextAttemptAt),
  lastError: row.lastError,
  createdAt: new Date(row.createdAt).toISOString(),
  sentAt: isoOf(row.sentAt),
})

/**
 * Tells people of incidents. What is to be told is written with the change of the incident that causes it (`planOf`, in the incident's
 * transaction), carried by the courier, and repeated while nobody takes care.
 */
export class Notifications implements IncidentTeller, NotificationDesk {
  readonly #options: NotificationsOptions
  readonly #courier: Courier
  readonly #recurring: Recurring
  readonly #recurrences = new Recurrences()
  #channels: readonly ChannelConfig[]

  constructor(options: NotificationsOptions, channels: readonly ChannelConfig[]) {
    this.#options = options
    this.#channels = channels
    this.#recurring = new Recurring(options.log)
    this.#courier = new Courier({ ...options, monotonic: options.monotonic ?? (() => performance.now()) })
    this.#courier.setChannels(channels)
  }

  start(): void {
    this.#recurring.every(LOOK_MS, 'the look at notifications', () => this.look())
    this.#recurring.every(REPEATS_MS, 'repeating notifications', () => this.repeat())
    this.#recurring.every(TIDY_MS, 'tidying notifications', () => this.tidy())
  }

  /** Begins nothing new; what is on its way gets some seconds. */
  close(): Promise<void> {
    this.#recurring.close()
    return this.#courier.close()
  }

  /** The channels that are in force from now on. */
  setChannels(channels: readonly ChannelConfig[]): void {
    this.#channels = channels
    this.#courier.setChannels(channels)
  }

  planOf(before: Incident | null, after: Incident): OutboxPlan | null {
    const { log, now } = this.#options
    // Nearly all changes of incidents are figures that nobody is told of: they ask the store for nothing.
    if (this.#channels.length === 0 || changeBetween(before, after) === null) return null
    const at = now()
    const channels = this.#channels
    const came = { ...after, signals: signalsOpened(before, after) }
    const plan = planOf(before, after, channels, at, (channel) => this.#recurrences.waitMs(came, channel, at))
    if (plan === null) return null
    return (rows) => {
      try {
        const planned = plan(rows)
        if (after.state === 'resolved') this.#recurrences.ended(after, toldOf(rows, channels, at), at)
        return planned
      } catch (error) {
        // That nobody is told must not keep the incident from being written.
        log.error(
          { err: error, incident: after.id },
          'what is to be told of an incident could not be planned',
        )
        return { add: [], change: [] }
      }
    }
  }

  /** Lets every channel that is ready take what is due. */
  look(): Promise<void> {
    return this.#courier.look()
  }

  /** Ends what has waited for too long. */
  tidy(): Promise<void> {
    return this.#courier.tidy()
  }

  /** Resolves when nothing is on its way. */
  idle(): Promise<void> {
    return this.#courier.idle()
  }

  /** Writes what is to be told again. */
  async repeat(): Promise<void> {
    const { store, open, now } = this.#options
    if (this.#channels.length === 0) return
    const incidents = open().filter(({ state }) => state === 'open')
    for (let from = 0; from < incidents.length; from += MAX_ASKED) {
      const some = incidents.slice(from, from + MAX_ASKED)
      const rows = Map.groupBy(
        await store.conversations(some.map(({ id }) => id)),
        ({ incidentId }) => incidentId,
      )
      for (const incident of some) {
        const plan = repeatsOf(incident, rows.get(incident.id) ?? [], this.#channels, now())
        if (plan !== null) await store.planNotifications(incident.id, plan)
      }
    }
  }

  /** What every page says of channels that do not arrive. */
  problems(): RoomProblem[] {
    const now = this.#options.now()
    const failing = this.#courier
      .lanes()
      .filter(({ failingSince }) => failingSince !== null && now - failingSince >= FAILING_MS)
    const [first] = failing
    if (first === undefined) return []
    const since = Math.min(...failing.map(({ failingSince }) => failingSince ?? now))
    const names = listWords(failing.map(({ config }) => channelWords(config)))
    const channels = listWords(failing.map(({ config }) => config.name))
    const why = failing.length === 1 && first.lastError !== null ? `: ${first.lastError}` : ''
    return [
      {
        code: 'notifications_failing',
        text: `${names} ${failing.length === 1 ? 'has' : 'have'} not taken a notification since ${new Date(since).toISOString().slice(0, 16).replace('T', ' ')} UTC${why}.`,
        brief: `${channels} ${failing.length === 1 ? 'does' : 'do'} not take notifications`,
        remedy:
          'Look at the channel in the settings and send a test; its address or secret may have changed. What waits is tried again for 24 h.',
        since: new Date(since).toISOString(),
      },
    ]
  }

  async list(filter: Parameters<NotificationDesk['list']>[0]): Promise<Page<Notification>> {
    const { items, nextCursor } = await this.#options.store.notifications(filter)
    return { items: items.map(shown), nextCursor }
  }

  async channels(): Promise<NotificationChannel[]> {
    await this.#courier.refresh()
    return this.#courier.lanes().map((lane) => this.#channelOf(lane))
  }

  async test(channel: string, actor: Actor): Promise<NotificationTest> {
    const { store, now } = this.#options
    if (!this.#courier.lanes().some(({ config }) => config.name === channel))
      throw new AppError('ERR_NOT_FOUND', `There is no channel ${channel}`, { id: channel })
    await store.audit({
      at: new Date(now()).toISOString(),
      actor: actor.name,
      address: actor.address,
      action: 'notification.test',
      object: `channel:${channel}`,
      before: null,
      after: null,
      reason: null,
    })
    const { row, answer } = await this.#courier.test(channel, actor.name)
    return { ...shown(row), answer }
  }

  counts(): ChannelCounts[] {
    return this.#courier.lanes().map(({ config, figures, failingSince }) => ({
      channel: config.name,
      ...figures,
      waiting: this.#courier.stored(config.name)?.waiting ?? 0,
      failing: failingSince !== null,
    }))
  }

  #channelOf({ config, channel, failingSince, lastError }: Lane): NotificationChannel {
    const stored = this.#courier.stored(config.name)
    const lastSentAt = stored?.lastSentAt ?? null
    return {
      name: config.name,
      kind: config.kind,
      target: channel.target,
      min: config.min,
      regions: config.regions ?? null,
      signals: config.signals ?? null,
      groupWaitSeconds: config.groupWaitSeconds,
      repeatHours: config.repeatHours,
      recovery: config.recovery,
      state: failingSince !== null ? 'failing' : lastSentAt === null ? 'unused' : 'ok',
      failingSince: isoOf(failingSince),
      lastError,
      lastSentAt: isoOf(lastSentAt),
      waiting: stored?.waiting ?? 0,
      sentLastHour: stored?.sentLastHour ?? 0,
    }
  }
}
