import { closeCode } from '../../contract/close-codes.ts'
import type { Health } from '../../contract/health.ts'
import { DRAIN_PHASES, NODE_STATES } from '../../contract/states.ts'
import { countsByLabel, type MetricDefinition, type MetricValue } from '../../observe/metrics.ts'

/** What the numbers of one scrape are read from. */
export interface NodeMetricSource {
  health: Health
  events: { appended: number; invalid: number; listenerFaults: number }
  control: { requestsByStatus: Record<string, number>; streams: number; streamsCutOff: number }
}

const one = (value: number): MetricValue[] => [{ value }]
const many = <T>(part: T | undefined, read: (part: T) => readonly MetricValue[]): readonly MetricValue[] =>
  part === undefined ? [] : read(part)

/** A host may send any close code; only those of the table become labels. */
const byCloseCode = (counts: Record<string, number>): MetricValue[] => {
  const known: Record<string, number> = {}
  for (const [code, count] of Object.entries(counts)) {
    const name = closeCode(Number(code)) === undefined ? 'other' : code
    known[name] = (known[name] ?? 0) + count
  }
  return countsByLabel('code', known)
}

const epochSeconds = (iso: string): number => Date.parse(iso) / 1000

type NodeMetric = MetricDefinition<NodeMetricSource>

const node: NodeMetric[] = [
  {
    name: 'tidegate_node_ok',
    kind: 'gauge',
    help: '1 while the node does its job, 0 while it reports a problem',
    read: ({ health }) => one(health.ok ? 1 : 0),
  },
  {
    name: 'tidegate_node_state',
    kind: 'gauge',
    help: '1 for the state that the node is in',
    labels: ['state'],
    read: ({ health }) =>
      NODE_STATES.map((state) => ({ labels: { state }, value: health.state === state ? 1 : 0 })),
  },
  {
    name: 'tidegate_node_start_time_seconds',
    kind: 'gauge',
    help: 'When the node started, in seconds since 1970',
    read: ({ health }) => one(epochSeconds(health.startedAt)),
  },
  {
    name: 'tidegate_events_total',
    kind: 'counter',
    help: 'Events appended to the event log',
    read: ({ events }) => one(events.appended),
  },
  {
    name: 'tidegate_events_dropped_total',
    kind: 'counter',
    help: 'Events that did not match the contract and were dropped',
    read: ({ events }) => one(events.invalid),
  },
  {
    name: 'tidegate_event_listener_faults_total',
    kind: 'counter',
    help: 'Event listeners that threw',
    read: ({ events }) => one(events.listenerFaults),
  },
  {
    name: 'tidegate_event_streams',
    kind: 'gauge',
    help: 'Open event streams (WebSocket)',
    read: ({ control }) => one(control.streams),
  },
  {
    name: 'tidegate_event_streams_cut_off_total',
    kind: 'counter',
    help: 'Event streams closed with 1013 because their reader was too slow',
    read: ({ control }) => one(control.streamsCutOff),
  },
  {
    name: 'tidegate_control_requests_total',
    kind: 'counter',
    help: 'Requests answered by the control listener, by class of status',
    labels: ['status'],
    read: ({ control }) => countsByLabel('status', control.requestsByStatus),
  },
]

const proxy: NodeMetric[] = [
  {
    name: 'tidegate_connections_active',
    kind: 'gauge',
    help: 'Connections open at the proxy',
    read: ({ health }) => many(health.proxy, (part) => one(part.connections.active)),
  },
  {
    name: 'tidegate_connections_accepted_total',
    kind: 'counter',
    help: 'Connections accepted by the proxy',
    read: ({ health }) => many(health.proxy, (part) => one(part.connections.accepted)),
  },
  {
    name: 'tidegate_connections_closed_total',
    kind: 'counter',
    help: 'Connections closed at the proxy, by reason',
    labels: ['reason'],
    read: ({ health }) => many(health.proxy, (part) => countsByLabel('reason', part.closedBy)),
  },
  {
    name: 'tidegate_connections_rejected_total',
    kind: 'counter',
    help: 'Connections refused by a rule or a ceiling, by reason; contained in closed',
    labels: ['reason'],
    read: ({ health }) => many(health.proxy, (part) => countsByLabel('reason', part.connections.rejected)),
  },
  {
    name: 'tidegate_proxied_bytes_total',
    kind: 'counter',
    help: 'Bytes forwarded by the proxy',
    labels: ['direction'],
    read: ({ health }) =>
      many(health.proxy, ({ bytes }) =>
        countsByLabel('direction', { upstream: bytes.upstream, downstream: bytes.downstream }),
      ),
  },
  {
    name: 'tidegate_proxy_buffered_bytes',
    kind: 'gauge',
    help: 'Bytes that the proxy holds for peers that have not taken them yet',
    read: ({ health }) => many(health.proxy, (part) => one(part.bufferedBytes ?? 0)),
  },
  {
    name: 'tidegate_proxy_requests_total',
    kind: 'counter',
    help: 'HTTP requests answered through the proxy, by class of status',
    labels: ['status'],
    read: ({ health }) => many(health.proxy, (part) => countsByLabel('status', part.requests.byStatus)),
  },
  {
    name: 'tidegate_proxy_requests_refused_total',
    kind: 'counter',
    help: 'HTTP requests that their route did not let in, by reason',
    labels: ['reason'],
    read: ({ health }) => many(health.proxy, (part) => countsByLabel('reason', part.requests.refused ?? {})),
  },
  {
    name: 'tidegate_targets',
    kind: 'gauge',
    help: 'Targets that the health document lists, by health',
    labels: ['health'],
    read: ({ health }) =>
      many(health.proxy, ({ targets }) => {
        const healthy = targets.filter((target) => target.healthy).length
        return countsByLabel('health', { healthy, unhealthy: targets.length - healthy })
      }),
  },
  {
    name: 'tidegate_target_latency_seconds',
    kind: 'gauge',
    help: 'Seconds until the head of an answer, or until a connection of bytes stands, at the quickest and the slowest target that the health document lists; of their last ones',
    labels: ['of'],
    read: ({ health }) =>
      many(health.proxy, ({ targets }) => {
        const known = targets.flatMap(({ latencyMs }) => (latencyMs == null ? [] : [latencyMs / 1000]))
        if (known.length === 0) return []
        return countsByLabel('of', { quickest: Math.min(...known), slowest: Math.max(...known) })
      }),
  },
  {
    name: 'tidegate_target_failures_total',
    kind: 'counter',
    help: 'Failures of targets, by what failed: connections of clients, requests without an answer in time, checks',
    labels: ['kind'],
    read: ({ health }) => many(health.proxy, (part) => countsByLabel('kind', part.targetFailures ?? {})),
  },
  {
    name: 'tidegate_target_last_resort_total',
    kind: 'counter',
    help: 'Requests and connections given to targets that were down, since no target of their route was up',
    read: ({ health }) => many(health.proxy, (part) => one(part.lastResort ?? 0)),
  },
]

const relay: NodeMetric[] = [
  {
    name: 'tidegate_tunnels',
    kind: 'gauge',
    help: 'Tunnels registered now',
    read: ({ health }) => many(health.relay, (part) => one(part.tunnels.current)),
  },
  {
    name: 'tidegate_tunnels_kept',
    kind: 'gauge',
    help: 'Tunnels whose hosts have moved in a drain, kept for the streams that are open on them',
    read: ({ health }) => many(health.relay, (part) => one(part.tunnels.kept ?? 0)),
  },
  {
    name: 'tidegate_tunnels_registered_total',
    kind: 'counter',
    help: 'Tunnels that registered',
    read: ({ health }) => many(health.relay, (part) => one(part.tunnels.registered)),
  },
  {
    name: 'tidegate_tunnels_lost_total',
    kind: 'counter',
    help: 'Tunnels that ended',
    read: ({ health }) => many(health.relay, (part) => one(part.tunnels.lost)),
  },
  {
    name: 'tidegate_tunnels_reconnected_total',
    kind: 'counter',
    help: 'Registrations of hosts that had had a tunnel before',
    read: ({ health }) => many(health.relay, (part) => one(part.tunnels.reconnected)),
  },
  {
    name: 'tidegate_tunnels_refused_total',
    kind: 'counter',
    help: 'Tunnels refused, by close code',
    labels: ['code'],
    read: ({ health }) => many(health.relay, (part) => byCloseCode(part.tunnels.refused)),
  },
  {
    name: 'tidegate_tunnels_closed_total',
    kind: 'counter',
    help: 'Tunnels that ended, by close code',
    labels: ['code'],
    read: ({ health }) => many(health.relay, (part) => byCloseCode(part.closedBy)),
  },
  {
    name: 'tidegate_tunnel_requests_total',
    kind: 'counter',
    help: 'Requests answered through tunnels, by class of status',
    labels: ['status'],
    read: ({ health }) => many(health.relay, (part) => countsByLabel('status', part.requests.byStatus)),
  },
  {
    name: 'tidegate_tunnel_requests_failed_total',
    kind: 'counter',
    help: 'Requests through tunnels that got no answer from their host, by reason',
    labels: ['reason'],
    read: ({ health }) => many(health.relay, (part) => countsByLabel('reason', part.requests.failed ?? {})),
  },
  {
    name: 'tidegate_tunnel_requests_pending',
    kind: 'gauge',
    help: 'Requests in flight through tunnels',
    read: ({ health }) => many(health.relay, (part) => one(part.requests.pending)),
  },
  {
    name: 'tidegate_tunnel_requests_waiting',
    kind: 'gauge',
    help: 'Pipelined requests that wait for their turn on their connections',
    read: ({ health }) => many(health.relay, (part) => one(part.requests.waiting ?? 0)),
  },
  {
    name: 'tidegate_directory_reachable',
    kind: 'gauge',
    help: '1 while the tunnel directory answers',
    read: ({ health }) => many(health.relay, (part) => one(part.directory.reachable ? 1 : 0)),
  },
  {
    name: 'tidegate_directory_entries',
    kind: 'gauge',
    help: 'Hosts in the tunnel directory, as this node knows it',
    read: ({ health }) => many(health.relay, (part) => one(part.directory.entries)),
  },
  {
    name: 'tidegate_directory_mismatches_total',
    kind: 'counter',
    help: 'Times at which the directory and the sockets of this node disagreed',
    read: ({ health }) => many(health.relay, (part) => one(part.directory.mismatches)),
  },
]

const push: NodeMetric[] = [
  {
    name: 'tidegate_push_received_total',
    kind: 'counter',
    help: 'Pushes asked for',
    read: ({ health }) => many(health.push, (part) => one(part.received)),
  },
  {
    name: 'tidegate_push_delivered_total',
    kind: 'counter',
    help: 'Pushes answered 2xx',
    read: ({ health }) => many(health.push, (part) => one(part.sendOk)),
  },
  {
    name: 'tidegate_push_rejected_total',
    kind: 'counter',
    help: 'Pushes answered otherwise, by reason',
    labels: ['reason'],
    read: ({ health }) => many(health.push, (part) => countsByLabel('reason', part.sendRejected)),
  },
  {
    name: 'tidegate_push_failed_total',
    kind: 'counter',
    help: 'Pushes without an answer',
    read: ({ health }) => many(health.push, (part) => one(part.sendFail)),
  },
  {
    name: 'tidegate_push_retried_total',
    kind: 'counter',
    help: 'Pushes sent a second time',
    read: ({ health }) => many(health.push, (part) => one(part.sendRetried)),
  },
  {
    name: 'tidegate_push_retried_unproven_total',
    kind: 'counter',
    help: 'Pushes sent a second time although the first may have been processed',
    read: ({ health }) => many(health.push, (part) => one(part.sendRetriedUnproven ?? 0)),
  },
  {
    name: 'tidegate_push_without_tokens_total',
    kind: 'counter',
    help: 'Pushes whose key had no token',
    read: ({ health }) => many(health.push, (part) => one(part.noTokens)),
  },
  {
    name: 'tidegate_push_pending',
    kind: 'gauge',
    help: 'Pushes accepted and not yet settled',
    read: ({ health }) => many(health.push, () => one(health.drain.remaining.pushes)),
  },
  {
    name: 'tidegate_push_session_alive',
    kind: 'gauge',
    help: '1 while there is a session; it proves nothing about deliveries',
    read: ({ health }) => many(health.push, (part) => one(part.sessionAlive ? 1 : 0)),
  },
  {
    name: 'tidegate_push_session_connects_total',
    kind: 'counter',
    help: 'Push sessions connected',
    read: ({ health }) => many(health.push, (part) => one(part.sessionConnects)),
  },
  {
    name: 'tidegate_push_session_connect_failures_total',
    kind: 'counter',
    help: 'Push sessions that could not be connected; pushes wait meanwhile',
    read: ({ health }) => many(health.push, (part) => one(part.sessionConnectFailures ?? 0)),
  },
  {
    name: 'tidegate_push_session_invalidations_total',
    kind: 'counter',
    help: 'Push sessions dropped, by reason',
    labels: ['reason'],
    read: ({ health }) =>
      many(health.push, (part) => countsByLabel('reason', part.sessionInvalidationsByReason)),
  },
  {
    name: 'tidegate_push_tokens',
    kind: 'gauge',
    help: 'Device tokens registered',
    read: ({ health }) => many(health.push, (part) => one(part.tokens)),
  },
  {
    name: 'tidegate_push_tokens_pruned_total',
    kind: 'counter',
    help: 'Device tokens pruned after a terminal answer, by reason',
    labels: ['reason'],
    read: ({ health }) =>
      many(health.push, (part) =>
        countsByLabel('reason', {
          bad_device_token: part.pruneOnBadDeviceToken,
          unregistered: part.pruneOnUnregistered,
          topic_mismatch: part.pruneOnTopicMismatch,
          other: part.pruneOther,
        }),
      ),
  },
]

const drainAndProcess: NodeMetric[] = [
  {
    name: 'tidegate_drain_phase',
    kind: 'gauge',
    help: '1 for the phase that a drain of this node is in',
    labels: ['phase'],
    read: ({ health }) =>
      DRAIN_PHASES.map((phase) => ({ labels: { phase }, value: health.drain.phase === phase ? 1 : 0 })),
  },
  {
    name: 'tidegate_drain_remaining',
    kind: 'gauge',
    help: 'What is in flight on this node, by kind; a drain waits for it',
    labels: ['kind'],
    read: ({ health }) => countsByLabel('kind', { ...health.drain.remaining }),
  },
  {
    name: 'tidegate_drain_requests_failed_total',
    kind: 'counter',
    help: 'Requests and connections refused, cut or lost because this node drained',
    read: ({ health }) => one(health.drain.requestsFailed ?? 0),
  },
  {
    name: 'tidegate_drain_budget_fits',
    kind: 'gauge',
    help: '1 where the four phases fit below the ceiling',
    read: ({ health }) => one(health.drain.fits ? 1 : 0),
  },
  {
    name: 'tidegate_process_resident_memory_bytes',
    kind: 'gauge',
    help: 'Resident memory of the process',
    read: ({ health }) => one(health.process.rssBytes),
  },
  {
    name: 'tidegate_process_event_loop_delay_seconds',
    kind: 'gauge',
    help: '99th percentile of the event-loop delay within the last 10 s window',
    read: ({ health }) => one(health.process.eventLoopDelayP99Ms / 1000),
  },
  {
    name: 'tidegate_process_open_fds',
    kind: 'gauge',
    help: 'Open files and sockets of the process',
    read: ({ health }) => (health.process.openFds === null ? [] : one(health.process.openFds)),
  },
  {
    name: 'tidegate_process_cpu_seconds_total',
    kind: 'counter',
    help: 'CPU time of the node: of its thread where it has one of its own, else of the process',
    read: ({ health }) => one(health.process.cpuSeconds),
  },
]

/** Every metric of a node; `docs/metrics.md` lists the same and a test keeps both equal. */
export const NODE_METRICS: readonly NodeMetric[] = [...node, ...proxy, ...relay, ...push, ...drainAndProcess]
