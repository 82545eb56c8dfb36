import { ROOM_PROBLEM_CODES } from '../contract/index.ts'
import type { MetricDefinition } from '../observe/metrics.ts'
import type { ApiOptions } from './context.ts'

const one = (value: number) => [{ value }]
const ofChannels = (
  { notifications }: ApiOptions['collector'],
  figure: (counts: ReturnType<typeof notifications.counts>[number]) => number,
) => notifications.counts().map((counts) => ({ labels: { channel: counts.channel }, value: figure(counts) }))
const oneOrNone = (value: number | null) => (value === null ? [] : [{ value }])

/** How the control room itself is doing: each part that must not stop in silence. */
export const roomMetrics: MetricDefinition<ApiOptions>[] = [
  {
    name: 'tidegate_room_problem',
    kind: 'gauge',
    help: '1 for each problem of the control room that holds, 0 for the others.',
    labels: ['code'],
    read: ({ collector }) => {
      const held = new Set(collector.room().problems.map((problem) => problem.code))
      return ROOM_PROBLEM_CODES.map((code) => ({ labels: { code }, value: held.has(code) ? 1 : 0 }))
    },
  },
  {
    name: 'tidegate_room_part_age_seconds',
    kind: 'gauge',
    help: 'Time since each part of the control room last made progress; absent while it has nothing to do.',
    labels: ['part'],
    read: ({ collector }) =>
      Object.entries(collector.room().parts).map(([part, ms]) => ({ labels: { part }, value: ms / 1_000 })),
  },
  {
    name: 'tidegate_intake_queued',
    kind: 'gauge',
    help: 'Events that were read and are not stored yet.',
    read: ({ collector }) => one(collector.room().events.queued),
  },
  {
    name: 'tidegate_intake_queued_bytes',
    kind: 'gauge',
    help: 'Bytes of those events.',
    read: ({ collector }) => one(collector.room().events.queuedBytes),
  },
  {
    name: 'tidegate_intake_oldest_seconds',
    kind: 'gauge',
    help: 'How long the oldest unstored event has waited; 0 while none does.',
    read: ({ collector }) => one((collector.room().events.oldestAgeMs ?? 0) / 1_000),
  },
  {
    name: 'tidegate_intake_last_stored_timestamp_seconds',
    kind: 'gauge',
    help: 'When an event was last stored, in seconds since 1970.',
    read: ({ collector }) => {
      const { lastStoredAt } = collector.room().events
      return oneOrNone(lastStoredAt === null ? null : Date.parse(lastStoredAt) / 1_000)
    },
  },
  {
    name: 'tidegate_intake_stored_total',
    kind: 'counter',
    help: 'Events stored.',
    read: ({ collector }) => one(collector.room().events.stored),
  },
  {
    name: 'tidegate_intake_dropped_total',
    kind: 'counter',
    help: 'Events refused by the store one by one and given up.',
    read: ({ collector }) => one(collector.room().events.dropped),
  },
  {
    name: 'tidegate_node_events_refused_total',
    kind: 'counter',
    help: 'Events of nodes that were not taken in, by reason.',
    labels: ['reason'],
    read: ({ collector }) =>
      Object.entries(collector.room().events.refused).map(([reason, value]) => ({
        labels: { reason },
        value,
      })),
  },
  {
    name: 'tidegate_node_events_throttled_seconds_total',
    kind: 'counter',
    help: 'Time for which nodes were read more slowly because they sent too much.',
    read: ({ collector }) => one(collector.room().events.throttledMs / 1_000),
  },
  {
    name: 'tidegate_streams_live',
    kind: 'gauge',
    help: 'Event streams of nodes that are open.',
    read: ({ collector }) => one(collector.figures().streams),
  },
  {
    name: 'tidegate_hosts',
    kind: 'gauge',
    help: 'Tunnel hosts that are known, lost ones of the last day included.',
    read: ({ collector }) => one(collector.room().hosts.known),
  },
  {
    name: 'tidegate_hosts_overflowed_total',
    kind: 'counter',
    help: 'Registrations of hosts that were left out because too many are known.',
    read: ({ collector }) => one(collector.room().hosts.overflowed),
  },
  {
    name: 'tidegate_hosts_forgotten_total',
    kind: 'counter',
    help: 'Lost hosts that were forgotten after a day, or to make room.',
    read: ({ collector }) => one(collector.room().hosts.forgotten),
  },
  {
    name: 'tidegate_history_waiting',
    kind: 'gauge',
    help: 'Judgements and documents that are not stored yet.',
    read: ({ collector }) => oneOrNone(collector.room().history?.waiting ?? null),
  },
  {
    name: 'tidegate_history_dropped_total',
    kind: 'counter',
    help: 'Judgements and documents given up because too many waited for the store.',
    read: ({ collector }) => oneOrNone(collector.room().history?.dropped ?? null),
  },
  {
    name: 'tidegate_signal_faults_total',
    kind: 'counter',
    help: 'How often a rule failed to say whether its signal holds.',
    read: ({ collector }) => oneOrNone(collector.room().signals?.faults ?? null),
  },
  {
    name: 'tidegate_notifications_sent_total',
    kind: 'counter',
    help: 'Messages that a channel took.',
    labels: ['channel'],
    read: ({ collector }) => ofChannels(collector, ({ sent }) => sent),
  },
  {
    name: 'tidegate_notifications_retried_total',
    kind: 'counter',
    help: 'Attempts that a channel did not take and that are made again.',
    labels: ['channel'],
    read: ({ collector }) => ofChannels(collector, ({ retried }) => retried),
  },
  {
    name: 'tidegate_notifications_failed_total',
    kind: 'counter',
    help: 'Messages given up: refused, or not taken within 24 h.',
    labels: ['channel'],
    read: ({ collector }) => ofChannels(collector, ({ failed }) => failed),
  },
  {
    name: 'tidegate_notifications_held_back_total',
    kind: 'counter',
    help: 'Messages told in a summary, because the channel had its share of the hour.',
    labels: ['channel'],
    read: ({ collector }) => ofChannels(collector, ({ heldBack }) => heldBack),
  },
  {
    name: 'tidegate_notifications_waiting',
    kind: 'gauge',
    help: 'Messages that wait for their time, their next attempt or the end of a silence.',
    labels: ['channel'],
    read: ({ collector }) => ofChannels(collector, ({ waiting }) => waiting),
  },
  {
    name: 'tidegate_notification_channel_failing',
    kind: 'gauge',
    help: '1 while the last attempt of a channel failed, else 0.',
    labels: ['channel'],
    read: ({ collector }) => ofChannels(collector, ({ failing }) => (failing ? 1 : 0)),
  },
]
