import { z } from 'zod'
import { countWords, durationWords, plural } from '../../contract/words.ts'
import { totalOf } from '../adapters/facts.ts'
import { defineRule, everyNode, type OpenSignal, type SignalMemory } from './rule.ts'
import { seconds, threshold, whole } from './threshold.ts'

const thresholds = z.object({
  received: threshold(whole(1, 1_000_000), 20, {
    unit: 'pushes',
    description: 'pushes since the last delivery',
  }),
  withinSeconds: threshold(seconds(1, 86_400), 30, {
    unit: 's',
    description: 'seconds since the first of them',
  }),
  forSeconds: threshold(seconds(0, 3_600), 10, {
    unit: 's',
    description: 'how long the condition must hold',
  }),
})
type Thresholds = z.output<typeof thresholds>

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

/** The first look at a node. */
const firstTrack = (reading: PushReading, open: OpenSignal | null): PushTrack => {
  const recovered = open !== null && reading.lastOkAt !== null && reading.lastOkAt > open.openedAt
  return {
    epoch: reading.epoch,
    received: reading.received,
    delivered: reading.delivered,
    readAt: reading.at,
    deliveredAt: recovered
      ? (reading.lastOkAt ?? reading.at)
      : (open?.startedAt ?? Math.min(reading.lastOkAt ?? reading.at, reading.at)),
    receivedSince: 0,
    firstReceivedAt: null,
    conditionSince: null,
    deliverySeenAt: recovered ? reading.at : null,
  }
}

/** The track of before a restart of the collector: what the node counted meanwhile is added to it. */
const trackOf = (open: OpenSignal | null): PushTrack | null => {
  const { epoch, received, delivered, receivedSince, readAt } = open?.memory ?? {}
  if (open === null || typeof epoch !== 'string') return null
  const counts = [received, delivered, receivedSince, readAt]
  if (!counts.every((count): count is number => typeof count === 'number')) return null
  return {
    epoch,
    received: Number(received),
    delivered: Number(delivered),
    readAt: Number(readAt),
    deliveredAt: open.startedAt,
    receivedSince: Number(receivedSince),
    firstReceivedAt: open.startedAt,
    conditionSince: open.startedAt,
    deliverySeenAt: null,
  }
}

const memoryOf = ({ epoch, received, delivered, receivedSince, readAt }: PushTrack): SignalMemory => ({
  epoch,
  received,
  delivered,
  receivedSince,
  readAt,
})

/** Takes one reading in. `sessionAlive` and `ok` are not looked at: both were true for six silent hours. */
const trackPush = (
  before: PushTrack | null,
  reading: PushReading,
  thresholds: Thresholds,
  open: OpenSignal | null,
): PushTrack => {
  const previous = before ?? trackOf(open)
  if (!previous) return firstTrack(reading, open)
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
export const pushStuck = defineRule({
  kind: 'push.stuck',
  of: 'node',
  thresholds,
  words: ({ received, withinSeconds, forSeconds }) => ({
    opens: `since the last delivery ${plural(received, 'push was', 'pushes were')} received, or ${withinSeconds} s passed since the first of them, none was delivered, and this held for ${forSeconds} s`,
    closes: 'one push is delivered, or the node is drained',
    severity: 'critical',
    why: 'a session that looks alive may deliver nothing for hours',
    notes: [
      '`push.stuck` looks at neither `sessionAlive` nor `ok`. Pushes whose key has no token do not count as received: there is nothing to deliver.',
    ],
  }),
  titleOfMany: (nodes) => `${nodes} receive pushes but deliver none`,
  scopes: everyNode,
  about: (fact) => (fact.type === 'reading' ? `node:${fact.node}` : null),
  start: (): PushTrack | null => null,
  take(track, fact, { thresholds: limits, open }) {
    if (fact.type !== 'reading') return track
    const { facts, at } = fact
    // One that says only when something last came in received at least as often as that changed.
    const received = totalOf(facts, 'push_received') ?? totalOf(facts, 'pushes_seen')
    const delivered = totalOf(facts, 'push_delivered')
    // A node without pushes, or one that does not count them.
    if (received === undefined || delivered === undefined) return null
    const reading = {
      at,
      epoch: facts.epoch,
      received: Math.max(0, received - (totalOf(facts, 'pushes_without_token') ?? 0)),
      delivered,
      lastOkAt: facts.lastDeliveryAt,
    }
    return trackPush(track, reading, limits, open)
  },
  verdict(track, { scope, thresholds: limits, fleet, open, now }) {
    if (!track) return { state: 'hold' }
    const node = scope.nodes[0] ?? ''
    const away = track.readAt - track.deliveredAt
    const openedAt = open?.openedAt ?? null
    // Several polls may lie between two looks: what counts is a delivery since it opened, not one in the newest poll.
    if (openedAt !== null && track.deliverySeenAt !== null && isSince(track.deliverySeenAt, openedAt, now)) {
      return { state: 'closed', because: 'deliveries again' }
    }
    if (fleet.node(node)?.state === 'drained')
      return { state: 'closed', because: 'the node is drained and takes no pushes' }
    const held =
      track.conditionSince !== null && track.readAt - track.conditionSince >= limits.forSeconds * 1000
    if (!held && openedAt === null)
      return { state: 'closed', because: 'not enough pushes without a delivery' }
    // What was counted before a restart of the collector may be lost; an incident of before is not made smaller by that.
    if (!held && track.receivedSince === 0) return { state: 'hold' }
    const last = `the last delivery was ${durationWords(away)} ago`
    return {
      state: 'open',
      startedAt: track.deliveredAt,
      sentence: `${node} received ${plural(track.receivedSince, 'push', 'pushes')} and delivered none; ${last}`,
      title: `${node} receives pushes but delivers none`,
      severity: 'critical',
      impact: `${countWords(track.receivedSince)} ${track.receivedSince === 1 ? 'push' : 'pushes'} not delivered in ${durationWords(away)}`,
      memory: memoryOf(track),
    }
  },
})

/** Whether `seen` is later than `openedAt`; where the clock was set back since that, whether it was seen by the clock as it is now. */
const isSince = (seen: number, openedAt: number, now: number): boolean =>
  openedAt <= now ? seen > openedAt : seen <= now
