/** How a channel speaks to people. */
export const CHANNEL_KINDS = ['webhook', 'slack', 'email', 'ntfy', 'pagerduty'] as const
export type ChannelKind = (typeof CHANNEL_KINDS)[number]

/**
 * What a message says of its incident: `opened` it is new to this channel, `updated` it became worse or another signal joined,
 * `repeated` it is still open, `acknowledged` somebody takes care, `recovered` it is over; `summary` many messages were held back;
 * `test` an administrator tries the channel.
 */
export const NOTIFICATION_KINDS = [
  'opened',
  'updated',
  'repeated',
  'acknowledged',
  'recovered',
  'summary',
  'test',
] as const
export type NotificationKind = (typeof NOTIFICATION_KINDS)[number]

/**
 * `waiting` for its time or its next attempt; `sending` right now; `sent` the receiver took it; `failed` given up; `silenced` held
 * back: with a next attempt it is told later if the incident outlives the silence.
 */
export const NOTIFICATION_STATES = ['waiting', 'sending', 'sent', 'failed', 'silenced'] as const
export type NotificationState = (typeof NOTIFICATION_STATES)[number]

/** First words of the kinds of signal that there are; what stands in front of the dot in `push.stuck`. */
export const SIGNAL_FAMILIES = [
  'push',
  'tunnel',
  'proxy',
  'node',
  'region',
  'drain',
  'certificate',
  'collector',
  'store',
  'baseline',
] as const
export type SignalFamily = (typeof SIGNAL_FAMILIES)[number]

/** Messages that one channel takes in an hour before the rest is told in a summary. */
export const CHANNEL_MESSAGES_PER_HOUR = 30
