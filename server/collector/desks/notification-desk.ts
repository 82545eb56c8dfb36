import type {
  Actor,
  Notification,
  NotificationChannel,
  NotificationTest,
  Page,
} from '../../contract/index.ts'

/** What one channel has told since the start. */
export interface ChannelCounts {
  channel: string
  sent: number
  retried: number
  failed: number
  heldBack: number
  waiting: number
  failing: boolean
}

/** What the API may ask of notifications. */
export interface NotificationDesk {
  list(filter: {
    channel?: string
    incident?: string
    state?: string
    limit?: number
    cursor?: string
  }): Promise<Page<Notification>>
  channels(): Promise<NotificationChannel[]>
  /** Rejects with `ERR_NOT_FOUND`, and with `ERR_CONFLICT` where a message is on its way by that channel. */
  test(channel: string, actor: Actor): Promise<NotificationTest>
  /** For metrics. */
  counts(): ChannelCounts[]
}
