import type { MetricDefinition, MetricValue } from '../observe/metrics.ts'
import type { ApiOptions, LiveFigures } from './context.ts'

const live =
  (value: (figures: LiveFigures) => MetricValue[]) =>
  (options: ApiOptions): MetricValue[] => {
    const figures = options.live.figures?.()
    return figures === undefined ? [] : value(figures)
  }

/** What was refused or cut at the door, so that each ceiling can be seen. */
export const doorMetrics: MetricDefinition<ApiOptions>[] = [
  {
    name: 'tidegate_live_cut_total',
    kind: 'counter',
    help: 'Times a live stream was cut to snapshots because its reader did not keep up.',
    read: live(({ slowCut }) => [{ value: slowCut }]),
  },
  {
    name: 'tidegate_live_refused_total',
    kind: 'counter',
    help: 'What live clients were refused, by the ceiling that they reached.',
    labels: ['ceiling'],
    read: live(({ refused, readsRefused }) =>
      Object.entries({ ...refused, snapshots: readsRefused }).map(([ceiling, value]) => ({
        labels: { ceiling },
        value,
      })),
    ),
  },
  {
    name: 'tidegate_live_ring_bytes',
    kind: 'gauge',
    help: 'Frames kept for clients that come back.',
    read: live(({ ringBytes }) => [{ value: ringBytes }]),
  },
  {
    name: 'tidegate_live_snapshots_waiting',
    kind: 'gauge',
    help: 'Snapshots that wait for being read.',
    read: live(({ readsWaiting }) => [{ value: readsWaiting }]),
  },
  {
    name: 'tidegate_web_connections_refused_total',
    kind: 'counter',
    help: 'Connections that were closed at once, by the ceiling that they reached.',
    labels: ['ceiling'],
    read: ({ connectionsRefused }) =>
      Object.entries(connectionsRefused?.() ?? {}).map(([ceiling, value]) => ({
        labels: { ceiling },
        value,
      })),
  },
  {
    name: 'tidegate_sign_ins_failed_total',
    kind: 'counter',
    help: 'Sign-ins with a wrong address or password.',
    read: ({ auth }) => [{ value: auth.signInFigures().failed }],
  },
  {
    name: 'tidegate_passwords_waiting',
    kind: 'gauge',
    help: 'Sign-ins that wait for their turn.',
    read: ({ auth }) => [{ value: auth.signInFigures().waiting }],
  },
  {
    name: 'tidegate_passwords_refused_total',
    kind: 'counter',
    help: 'Sign-ins sent away because too many waited.',
    read: ({ auth }) => [{ value: auth.signInFigures().refused }],
  },
]
