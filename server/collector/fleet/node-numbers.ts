import type { NodeNumbers } from '../../contract/index.ts'
import { type Facts, totalOf } from '../adapters/facts.ts'

/** The numbers of a node as it says them itself; what it does not say is absent. */
export const numbersOf = (facts: Facts): NodeNumbers => {
  const { gauges } = facts
  const said: { [Name in keyof NodeNumbers]: number | undefined } = {
    rssBytes: gauges.rss_bytes,
    eventLoopDelayMs: gauges.event_loop_delay_ms,
    openFds: gauges.open_fds,
    connections: gauges.connections,
    tunnels: gauges.tunnels,
    requests: totalOf(facts, 'requests'),
    pushReceived: totalOf(facts, 'push_received'),
    pushDelivered: totalOf(facts, 'push_delivered'),
    pushRejected: totalOf(facts, 'push_rejected'),
    pushFailed: totalOf(facts, 'push_failed'),
    sessionInvalidations: totalOf(facts, 'session_invalidations'),
    tokensPruned: totalOf(facts, 'tokens_pruned'),
  }
  return Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined))
}
