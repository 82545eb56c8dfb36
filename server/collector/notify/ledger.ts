import type { LivePublisher, TimelineItem } from '../../contract/index.ts'
import type { NotificationChange, Store, StoredNotification } from '../../store/store.ts'

export interface LedgerOptions {
  store: Pick<Store, 'settleNotification'>
  live: Pick<LivePublisher, 'changed'>
  /** Wall clock, epoch ms. */
  now: () => number
  /** Who claims messages here. */
  owner: string
}

const isoOrNull = (at: number | null | undefined): string | null =>
  at === null || at === undefined ? null : new Date(at).toISOString()

/** Writes down what became of messages, with their rows on the timelines of their incidents. */
export class Ledger {
  readonly #options: LedgerOptions

  constructor(options: LedgerOptions) {
    this.#options = options
  }

  /** `title` is what the timeline says; null leaves that as it is. */
  async settle(
    row: StoredNotification,
    change: Omit<NotificationChange, 'id'>,
    title: string | null = null,
  ): Promise<void> {
    const { store, live, owner } = this.#options
    const { id, incidentId } = row
    const item = title === null || incidentId === null ? null : this.#itemOf(row, change, title)
    await store.settleNotification(
      owner,
      { id, ...change },
      item === null || incidentId === null ? null : { incidentId, row: item },
    )
    if (item !== null) live.changed(`incident:${incidentId}`)
  }

  #itemOf(row: StoredNotification, change: Omit<NotificationChange, 'id'>, title: string): TimelineItem {
    const { id, channel, kind, attempts } = row
    const at = new Date(this.#options.now()).toISOString()
    return {
      id: `notification:${id}`,
      at,
      receivedAt: at,
      kind: 'notification',
      source: channel,
      title,
      data: {
        channel,
        kind,
        notificationId: id,
        attempts,
        state: change.state ?? row.state,
        lastError: change.lastError ?? null,
        nextAttemptAt: isoOrNull(change.nextAttemptAt),
      },
    }
  }
}
