import type { Health, PushHealth } from '../../../contract/health.ts'
import type { Counters, Facts, Gauges } from '../facts.ts'

/** What a Tidegate node's health document says, in the words of all nodes. */
export const factsOf = (health: Health): Facts => ({
  ok: health.ok,
  problems: health.problems ?? [],
  state: health.state,
  version: health.version,
  epoch: health.epoch,
  uptimeMs: health.uptimeSeconds * 1_000,
  newestSeq: health.seq,
  gauges: gaugesOf(health),
  counters: countersOf(health),
  listeners: health.listeners ?? [],
  lastDeliveryAt: timeOf(health.push?.lastOkAt),
  ...(health.proxy?.certificates && { certificates: health.proxy.certificates.flatMap(certificateOf) }),
  ...(health.proxy && { certificateFailures: (health.proxy.certificates ?? []).flatMap(failureOf) }),
  drain: {
    drainId: health.drain.drainId ?? null,
    phase: health.drain.phase,
    remaining: health.drain.remaining,
    budgetSeconds: health.drain.budgetSeconds,
    ceilingSeconds: health.drain.ceilingSeconds,
    fits: health.drain.fits,
    cordoned: health.relay?.cordoned === true,
    ...(health.drain.requestsFailed === undefined ? {} : { requestsFailed: health.drain.requestsFailed }),
    failedByFormerOwner: health.relay?.requests.failedByFormerOwner ?? {},
  },
})

const gaugesOf = ({ proxy, relay, process }: Health): Gauges => ({
  event_loop_delay_ms: process.eventLoopDelayP99Ms,
  rss_bytes: process.rssBytes,
  ...(process.openFds === null ? {} : { open_fds: process.openFds }),
  ...(proxy && { connections: proxy.connections.active }),
  ...(relay && { tunnels: relay.tunnels.current, requests_pending: relay.requests.pending }),
})

const countersOf = ({ proxy, relay, push }: Health): Counters => ({
  ...(proxy && {
    connections_accepted: { proxy: proxy.connections.accepted },
    connections_refused: { proxy: sumOf(proxy.connections.rejected) },
    connections_closed: { proxy: proxy.connections.closed },
    connections_cut: { proxy: proxy.closedBy.drain_deadline ?? 0 },
    bytes_up: { proxy: proxy.bytes.upstream },
    bytes_down: { proxy: proxy.bytes.downstream },
  }),
  ...((proxy ?? relay) && {
    requests: {
      ...(proxy && { proxy: proxy.requests.total }),
      ...(relay && { relay: relay.requests.total }),
    },
    requests_failed: {
      ...(proxy && { proxy: serverErrors(proxy.requests.byStatus) }),
      ...(relay && { relay: serverErrors(relay.requests.byStatus) }),
    },
  }),
  ...(relay && {
    tunnels_lost: { relay: relay.tunnels.lost },
    reconnects: { relay: relay.tunnels.reconnected },
  }),
  ...(push && {
    push_received: { push: push.received },
    push_delivered: { push: push.sendOk },
    push_rejected: { push: sumOf(push.sendRejected) },
    push_failed: { push: push.sendFail },
    pushes_without_token: { push: push.noTokens },
    session_invalidations: { push: push.sessionInvalidations },
    tokens_pruned: { push: prunedOf(push) },
  }),
})

const sumOf = (counts: Record<string, number>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0)

/** Counts of 5xx, whether kept as `5xx` or by exact status. */
const serverErrors = (byStatus: Record<string, number>): number =>
  Object.entries(byStatus).reduce(
    (sum, [status, count]) => (/^5(?:\d\d|xx)$/.test(status) ? sum + count : sum),
    0,
  )

const prunedOf = (push: PushHealth): number =>
  push.pruneOnBadDeviceToken + push.pruneOnUnregistered + push.pruneOnTopicMismatch + push.pruneOther

const timeOf = (text: string | null | undefined): number | null => {
  const at = Date.parse(text ?? '')
  return Number.isFinite(at) ? at : null
}

const certificateOf = ({ domains, notAfter }: { domains: string[]; notAfter: string | null }) => {
  const at = timeOf(notAfter)
  return at === null ? [] : [{ name: domains[0] ?? 'a certificate', notAfter: at }]
}

type HealthCertificate = NonNullable<NonNullable<Health['proxy']>['certificates']>[number]

const failureOf = ({ domains, notAfter, lastFailure }: HealthCertificate) => {
  const at = timeOf(lastFailure?.at)
  return lastFailure === undefined || at === null
    ? []
    : [{ name: domains[0] ?? 'a certificate', at, reason: lastFailure.reason, notAfter: timeOf(notAfter) }]
}
