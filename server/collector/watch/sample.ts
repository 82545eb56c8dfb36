import type { Health, MetricName } from '../../contract/index.ts'

/** Values of one poll by the names of `/series`; an absent part of the node is absent here, not zero. */
export type SampleValues = Partial<Record<MetricName, number>>

export interface SampleContext {
  latencyMs: number
  /** Largest gap reported by a `tunnel.registered` since the poll before; null where none was. */
  gapMs: number | null
  /** With no document before: true when the node's process is younger than our last look, so that its counters began at zero since. */
  freshProcess: boolean
}

/**
 * Gauges as measured, counters as increases since the poll before. A new epoch counts from zero, so that no rate is ever
 * negative; a first look at an older process has no increase, because it is not known when the counts happened.
 */
export const sampleOf = (previous: Health | null, current: Health, context: SampleContext): SampleValues => {
  const before = previous !== null && previous.epoch === current.epoch ? previous : null
  const countable = before !== null || previous !== null || context.freshProcess
  const values: SampleValues = {
    latency_ms: context.latencyMs,
    event_loop_delay_ms: current.process.eventLoopDelayP99Ms,
    rss_bytes: current.process.rssBytes,
  }
  if (current.process.openFds !== null) values.open_fds = current.process.openFds
  if (context.gapMs !== null) values.gap_ms = context.gapMs

  const increase = (name: MetricName, now: number | undefined, then: number | undefined): void => {
    if (now === undefined || !countable) return
    // Of the same run, and never read before: a part that was missing or malformed till now. When it counted that is not known.
    if (before !== null && then === undefined) return
    values[name] = Math.max(0, now - (then ?? 0))
  }

  if (current.proxy) {
    values.connections = current.proxy.connections.active
    increase('connections_accepted', current.proxy.connections.accepted, before?.proxy?.connections.accepted)
    increase(
      'connections_refused',
      sumOf(current.proxy.connections.rejected),
      before?.proxy && sumOf(before.proxy.connections.rejected),
    )
    increase('bytes_up', current.proxy.bytes.upstream, before?.proxy?.bytes.upstream)
    increase('bytes_down', current.proxy.bytes.downstream, before?.proxy?.bytes.downstream)
  }
  if (current.relay) {
    values.tunnels = current.relay.tunnels.current
    increase('tunnels_lost', current.relay.tunnels.lost, before?.relay?.tunnels.lost)
    increase('reconnects', current.relay.tunnels.reconnected, before?.relay?.tunnels.reconnected)
  }
  if (current.proxy || current.relay) {
    // Their sum over the parts of which both ends are known.
    const then = before && ofParts(before, current)
    const now = before ? ofParts(current, before) : current
    increase('requests', requestsOf(now), then ? requestsOf(then) : undefined)
    increase('requests_failed', failedOf(now), then ? failedOf(then) : undefined)
  }
  if (current.push) {
    const push = current.push
    const then = before?.push
    increase('push_received', push.received, then?.received)
    increase('push_delivered', push.sendOk, then?.sendOk)
    increase('push_rejected', sumOf(push.sendRejected), then && sumOf(then.sendRejected))
    increase('push_failed', push.sendFail, then?.sendFail)
    increase('session_invalidations', push.sessionInvalidations, then?.sessionInvalidations)
    increase('tokens_pruned', prunedOf(push), then ? prunedOf(then) : undefined)
  }
  return values
}

export const sumOf = (counts: Record<string, number> | undefined): number =>
  counts === undefined ? 0 : Object.values(counts).reduce((sum, count) => sum + count, 0)

type Counting = Pick<Health, 'proxy' | 'relay'>

/** Proxy and relay of one document, as far as the other one has them too. */
const ofParts = (one: Counting, other: Counting): Counting => ({
  proxy: other.proxy && one.proxy,
  relay: other.relay && one.relay,
})

/**
 * What the next sample counts from: the newest document, with parts that it lacks as they were last read in the same run, so
 * that a part that is missing once does not come back as everything it ever counted.
 */
export const countedBase = (base: Health | null, current: Health): Health =>
  base !== null && base.epoch === current.epoch ? { ...base, ...current } : current

const requestsOf = (health: Counting): number =>
  (health.proxy?.requests.total ?? 0) + (health.relay?.requests.total ?? 0)

const failedOf = (health: Counting): number =>
  serverErrors(health.proxy?.requests.byStatus) + serverErrors(health.relay?.requests.byStatus)

/** Counts of 5xx, whether kept as `5xx` or by exact status. */
const serverErrors = (byStatus: Record<string, number> | undefined): number =>
  Object.entries(byStatus ?? {}).reduce(
    (sum, [status, count]) => (/^5(?:\d\d|xx)$/.test(status) ? sum + count : sum),
    0,
  )

export const prunedOf = (push: NonNullable<Health['push']>): number =>
  push.pruneOnBadDeviceToken + push.pruneOnUnregistered + push.pruneOnTopicMismatch + push.pruneOther
