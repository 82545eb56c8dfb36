import { countWords, durationWords, plural } from '../../contract/words.ts'
import type { DetectThresholds, SignalVerdict } from './rule.ts'

/** Counters of one poll that say whether pushes go out. */
export interface PushReading {
  /** Epoch ms. */
  at: number
  epoch: string
  /** Pushes that were asked for and had a token: without one there is nothing to deliver. */
  received: number
  /** Answered 2xx by the push service. */
  delivered: number
  /** When the node says that the last delivery was, epoch ms. */
  lastOkAt: number | null
}

/** What is known since the last delivery. */
export interface PushTrack {
  epoch: string
  received: number
  delivered: number
  readAt: number
  /** The last delivery, or the first look where none is known: here the evidence begins. */
  deliveredAt: number
  receivedSince: number
  firstReceivedAt: number | null
  /** Since when the opening condition has held without a break, epoch ms. */
  conditionSince: number | null
  /** When a reading last saw a delivery, epoch ms of our clock; null before the first. */
  deliverySeenAt: number | null
}

type Thresholds = DetectThresholds['push.stuck']

/** An open signal of before a restart of the collector. */
export interface PushSeed {
  startedAt: number
  openedAt: number
}

/** Takes one reading in. Pure. `sessionAlive` and `ok` are not looked at: both were true for six silent hours. */
export const trackPush = (
  previous: PushTrack | null,
  reading: PushReading,
  thresholds: Thresholds,
  seed: PushSeed | null = null,
): PushTrack => {
  if (!previous) {
    const recovered = seed !== null && reading.lastOkAt !== null && reading.lastOkAt > seed.openedAt
    return {
      epoch: reading.epoch,
      received: reading.received,
      delivered: reading.delivered,
      readAt: reading.at,
      deliveredAt: recovered
        ? (reading.lastOkAt ?? reading.at)
        : (seed?.startedAt ?? Math.min(reading.lastOkAt ?? reading.at, reading.at)),
      receivedSince: 0,
      firstReceivedAt: null,
      conditionSince: null,
      deliverySeenAt: recovered ? reading.at : null,
    }
  }
  const sameRun = previous.epoch === reading.epoch
  const received = Math.max(0, reading.received - (sameRun ? previous.received : 0))
  const delivered = Math.max(0, reading.delivered - (sameRun ? previous.delivered : 0))
  const counters = {
    epoch: reading.epoch,
    received: reading.received,
    delivered: reading.delivered,
    readAt: reading.at,
  }
  if (delivered > 0) {
    const said = reading.lastOkAt
    const plausible = said !== null && said >= previous.readAt - 5_000 && said <= reading.at
    return {
      ...counters,
      deliveredAt: plausible ? said : reading.at,
      receivedSince: 0,
      firstReceivedAt: null,
      conditionSince: null,
      deliverySeenAt: reading.at,
    }
  }
  const receivedSince = previous.receivedSince + received
  // A clock that was set back: what began later than now began now.
  const begun = (at: number | null): number | null => (at === null ? null : Math.min(at, reading.at))
  const firstReceivedAt = begun(previous.firstReceivedAt) ?? (received > 0 ? reading.at : null)
  const many = receivedSince >= thresholds.received
  const long = firstReceivedAt !== null && reading.at - firstReceivedAt >= thresholds.withinSeconds * 1000
  return {
    ...counters,
    deliveredAt: previous.deliveredAt,
    receivedSince,
    firstReceivedAt,
    conditionSince: many || long ? (begun(previous.conditionSince) ?? reading.at) : null,
    deliverySeenAt: previous.deliverySeenAt,
  }
}

/**
 * `push.stuck`: pushes come in and none goes out. Opens when, since the last delivery, at least `received` pushes came, or
 * `withinSeconds` passed with at least one, and this held for `forSeconds`; closes with the first delivery, or when the node
 * is drained and takes no pushes any more.
 */
export const pushStuck = (
  track: PushTrack | null,
  context: { node: string; drained: boolean; openedAt: number | null },
  thresholds: Thresholds,
): SignalVerdict => {
  if (!track) return { state: 'hold' }
  const away = track.readAt - track.deliveredAt
  const { openedAt } = context
  // Several polls may lie between two looks: what counts is a delivery since it opened, not one in the newest poll.
  if (
    openedAt !== null &&
    track.deliverySeenAt !== null &&
    isSince(track.deliverySeenAt, openedAt, track.readAt)
  ) {
    return { state: 'closed', because: 'deliveries again' }
  }
  if (context.drained) return { state: 'closed', because: 'the node is drained and takes no pushes' }
  const held =
    track.conditionSince !== null && track.readAt - track.conditionSince >= thresholds.forSeconds * 1000
  if (!held && openedAt === null) return { state: 'closed', because: 'not enough pushes without a delivery' }
  // After a restart of the collector the count begins anew; an incident of before is not made smaller by that.
  if (!held && track.receivedSince === 0) return { state: 'hold' }
  const last = `the last delivery was ${durationWords(away)} ago`
  return {
    state: 'open',
    startedAt: track.deliveredAt,
    sentence: `${context.node} received ${plural(track.receivedSince, 'push', 'pushes')} and delivered none; ${last}`,
    title: `${context.node} receives pushes but delivers none`,
    severity: 'critical',
    impact: `${countWords(track.receivedSince)} ${track.receivedSince === 1 ? 'push' : 'pushes'} not delivered in ${durationWords(away)}`,
  }
}

/** Whether `seen` is later than `openedAt`; where the clock was set back since that, whether it was seen by the clock as it is now. */
const isSince = (seen: number, openedAt: number, now: number): boolean =>
  openedAt <= now ? seen > openedAt : seen <= now
