import { IncidentBook } from '../../../server/collector/incidents/book.ts'
import type { CourierTimes } from '../../../server/collector/notify/courier.ts'
import { Notifications, type NotificationsOptions } from '../../../server/collector/notify/notifications.ts'
import type { SignalScope, SignalVerdict } from '../../../server/collector/signals/rule.ts'
import type { ChannelConfig, Severity } from '../../../server/contract/index.ts'
import { notifySchema } from '../../../server/contract/notify-config.ts'
import type { SqliteStore } from '../../../server/store/sqlite-store.ts'
import type { StoredNotification } from '../../../server/store/store.ts'
import { log, sqlite } from '../../store/fixtures.ts'

export const T = Date.parse('2026-04-27T18:00:00Z')
export const SECOND = 1_000
export const MINUTE = 60_000
export const HOUR = 3_600_000

/** Entries of the configuration, with their defaults. */
export const channels = (...entries: Record<string, unknown>[]): ChannelConfig[] =>
  notifySchema.parse(entries)

export const node = (id: string, kind: SignalScope['kind'] = 'node.down'): SignalScope => ({
  kind,
  scope: `node:${id}`,
  region: id.slice(0, 3),
  nodes: [id],
})

/** A store, a book of incidents and notifications, on a clock that a test moves. */
export class Room {
  now = T
  monotonic = 1_000
  silence: string | null = null
  readonly store: SqliteStore
  readonly remove: () => Promise<void>
  book!: IncidentBook
  notifications!: Notifications

  private constructor(store: SqliteStore, remove: () => Promise<void>) {
    this.store = store
    this.remove = remove
  }

  static async open(configs: readonly ChannelConfig[], times: Partial<CourierTimes> = {}): Promise<Room> {
    const { store, remove } = await sqlite.create()
    const room = new Room(store, remove)
    await room.restart(configs, times)
    return room
  }

  /** As the collector does at its start. */
  async restart(configs: readonly ChannelConfig[], times: Partial<CourierTimes> = {}): Promise<void> {
    this.notifications = this.more(configs, times)
    this.book = new IncidentBook({
      store: this.store,
      live: { changed: () => undefined },
      record: async () => undefined,
      log,
      teller: this.notifications,
    })
    await this.book.load(this.now)
  }

  /** Another one on the same store. */
  more(
    configs: readonly ChannelConfig[],
    times: Partial<CourierTimes> = {},
    options: Partial<NotificationsOptions> = {},
  ): Notifications {
    return new Notifications(
      {
        store: this.store,
        live: { changed: () => undefined },
        log,
        now: () => this.now,
        monotonic: () => this.monotonic,
        open: () => this.book.open(),
        incidentOf: async (id) => this.book.known(id) ?? (await this.store.incident(id)),
        silencedBy: () => (this.silence === null ? null : { reason: this.silence }),
        url: 'https://gate.example.com',
        times: { ...times },
        ...options,
      },
      configs,
    )
  }

  /** Time passes; then whatever is due is sent, and every incident that is quiet ends. */
  async pass(ms: number): Promise<void> {
    this.now += ms
    this.monotonic += ms
    await this.book.settle(this.now)
    await this.deliver()
  }

  async deliver(): Promise<void> {
    await this.notifications.repeat()
    await this.notifications.look()
    await this.notifications.idle()
  }

  open(
    scope: SignalScope,
    severity: Severity = 'warning',
    title = `${scope.nodes[0]} is down`,
  ): Promise<void> {
    const verdict: SignalVerdict = {
      state: 'open',
      startedAt: this.now,
      sentence: `${scope.nodes[0]} does not answer`,
      title,
      severity,
      impact: '12 tunnels lost',
    }
    return this.book.observe(scope, verdict, this.now)
  }

  close(scope: SignalScope): Promise<void> {
    return this.book.observe(scope, { state: 'closed', because: 'it answers again' }, this.now)
  }

  async rows(): Promise<StoredNotification[]> {
    return (await this.store.notifications({ limit: 1000 })).items.reverse()
  }

  async shutdown(): Promise<void> {
    await this.notifications.close()
    await this.remove()
  }
}
