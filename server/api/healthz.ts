import type { healthzRoutes } from '../contract/api/healthz.ts'
import { createMetricsPage, type MetricDefinition, type MetricsPage } from '../observe/metrics.ts'
import type { ApiOptions } from './context.ts'
import { doorMetrics } from './door-metrics.ts'
import { roomMetrics } from './room-metrics.ts'
import type { Handlers } from './serve.ts'

const one = (value: number) => [{ value }]

/** The collector's own figures. */
const definitions: MetricDefinition<ApiOptions>[] = [
  {
    name: 'tidegate_store_up',
    kind: 'gauge',
    help: '1 while the store can be written.',
    read: ({ store }) => one(store.health().ok ? 1 : 0),
  },
  {
    name: 'tidegate_store_bytes',
    kind: 'gauge',
    help: 'Size of the database, its journal included.',
    read: ({ store }) => one(store.health().bytes),
  },
  {
    name: 'tidegate_store_samples_dropped_total',
    kind: 'counter',
    help: 'Samples lost because the spool in memory was full.',
    read: ({ store }) => one(store.health().samplesDropped ?? 0),
  },
  {
    name: 'tidegate_store_reads_refused_total',
    kind: 'counter',
    help: 'Long reads refused because too many waited.',
    read: ({ store }) => one(store.health().reads?.refused ?? 0),
  },
  {
    name: 'tidegate_store_reads_too_slow_total',
    kind: 'counter',
    help: 'Long reads given up at their deadline.',
    read: ({ store }) => one(store.health().reads?.tooSlow ?? 0),
  },
  {
    name: 'tidegate_live_subscribers',
    kind: 'gauge',
    help: 'Open live streams.',
    read: ({ live }) => one(live.subscribers()),
  },
  {
    name: 'tidegate_live_slow_closed_total',
    kind: 'counter',
    help: 'Live streams closed because they did not read.',
    read: ({ live }) => one(live.slowClosed()),
  },
  {
    name: 'tidegate_polls_missed_total',
    kind: 'counter',
    help: 'Polls that could not begin in their interval.',
    read: ({ collector }) => one(collector.figures().pollsMissed),
  },
  {
    name: 'tidegate_polls_under_way',
    kind: 'gauge',
    help: 'Polls that are under way now.',
    read: ({ collector }) => one(collector.figures().pollsUnderWay ?? 0),
  },
  {
    name: 'tidegate_polls_held_total',
    kind: 'counter',
    help: 'Polls that began late because too many were under way.',
    read: ({ collector }) => one(collector.figures().pollsHeld ?? 0),
  },
  {
    name: 'tidegate_name_lookups_hung_total',
    kind: 'counter',
    help: 'Names of nodes that the resolver of this machine did not answer within a second.',
    read: ({ collector }) => one(collector.figures().lookupsHung ?? 0),
  },
  {
    name: 'tidegate_collector_lateness_seconds',
    kind: 'gauge',
    help: 'Lateness of polls, p99 over the last minute.',
    read: ({ collector }) => one(collector.figures().latenessP99Ms / 1_000),
  },
  {
    name: 'tidegate_nodes',
    kind: 'gauge',
    help: 'Nodes by observed state.',
    labels: ['state'],
    read: ({ collector }) => {
      const counts = new Map<string, number>()
      for (const { state } of collector.nodes()) counts.set(state, (counts.get(state) ?? 0) + 1)
      return [...counts].map(([state, value]) => ({ labels: { state }, value }))
    },
  },
]

/** What load balancers and Prometheus ask for. It says no more than they need, because everybody may read it. */
export const healthzHandlers = (options: ApiOptions): Handlers<typeof healthzRoutes> => {
  const metrics: MetricsPage =
    options.metrics ?? createMetricsPage([...definitions, ...doorMetrics, ...roomMetrics], () => options)
  return {
    getLive: () => ({ live: true }),
    getReady({ context }) {
      const { ok, reason } = options.ready()
      const store = options.store.health()
      const ready = ok && store.ok
      return context.json(
        { ready, reason: ready ? null : (reason ?? `store unavailable: ${store.reason}`) },
        ready ? 200 : 503,
      )
    },
    getMetrics: async ({ context }) =>
      context.body(await metrics.render(), 200, { 'Content-Type': metrics.contentType }),
  }
}
