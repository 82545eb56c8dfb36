import { z } from 'zod'
import type { FleetEvent } from '../../contract/index.ts'
import { durationWords, plural } from '../../contract/words.ts'
import { defineRule, everyNode, type FleetView, type NodeView, type SignalFact } from './rule.ts'
import { seconds, threshold } from './threshold.ts'

/** Runs of before that are remembered, to know one that comes back. */
const MAX_PAST = 8

/** One life of a node's process. */
interface Run {
  epoch: string
  place: string
  /** When it was last read, epoch ms. */
  readAt: number
  uptimeMs: number | null
  /** It said that it stops, or is drained: that it ends is in order. */
  isEnding: boolean
}

interface Restarts {
  run: Run | null
  past: readonly string[]
  /** Since it was last quiet. */
  count: number
  firstAt: number
  lastAt: number | null
  /** For how long the process before the first of them had run; null where it does not say. */
  servedMs: number | null
  /** A run of before came back: two processes answer in turn. */
  alternates: boolean
}

const NOTHING: Restarts = {
  run: null,
  past: [],
  count: 0,
  firstAt: 0,
  lastAt: null,
  servedMs: null,
  alternates: false,
}

/** What a node says of its own end, by its events; null where an event says nothing of it. */
const endingBy = ({ type, data }: FleetEvent): boolean | null => {
  if (type === 'drain.started') return data.scope === 'node' ? true : null
  if (type !== 'node.state_changed') return null
  return data.to === 'draining' || data.to === 'drained' || data.to === 'stopping'
}

const isExplained = (run: Run, node: NodeView, fleet: FleetView, beganAt: number): boolean =>
  // Its reading may come when the window is over already.
  fleet.inMaintenance(node.id, beganAt) ||
  // That it had gone was told as an outage: that it comes back is the end of that one, and no other.
  run.isEnding ||
  node.mayRestart ||
  node.downSince !== null ||
  fleet.unreachableSince(node.region) !== null

const takeReading = (
  restarts: Restarts,
  { at, facts }: Extract<SignalFact, { type: 'reading' }>,
  node: NodeView,
  fleet: FleetView,
): Restarts => {
  const { run, past } = restarts
  const { epoch, uptimeMs, state } = facts
  const isEnding = state === 'draining' || state === 'drained' || state === 'stopping'
  const next: Run = { epoch, place: node.place, readAt: at, uptimeMs, isEnding }
  if (run === null || run.place !== node.place || facts.isBehindProxy === true)
    return { ...restarts, run: next, past: [] }
  if (run.epoch === epoch) return { ...restarts, run: next }
  const alternates = past.includes(epoch)
  const remembered = { ...restarts, run: next, past: [...past, run.epoch].slice(-MAX_PAST) }
  // It began after the last reading of the one before.
  const beganAt = Math.max(run.readAt, at - (uptimeMs ?? 0))
  if (!alternates && isExplained(run, node, fleet, beganAt)) return remembered
  const isFirst = restarts.lastAt === null
  return {
    ...remembered,
    count: restarts.count + 1,
    firstAt: isFirst ? Math.min(beganAt, at) : restarts.firstAt,
    lastAt: at,
    servedMs: isFirst ? run.uptimeMs : restarts.servedMs,
    alternates: restarts.alternates || alternates,
  }
}

/** `node.restarted`: a node's process ended and another began, and nothing had announced it. Closes when it runs for `quietSeconds`. */
export const nodeRestarted = defineRule({
  kind: 'node.restarted',
  of: 'node',
  thresholds: z.object({
    quietSeconds: threshold(seconds(10, 3_600), 60, {
      unit: 's',
      description: 'seconds without another restart until it closes',
    }),
  }),
  words: ({ quietSeconds }) => ({
    opens: 'another process answers than before, and nothing had announced it',
    closes: `no other restart was seen for ${quietSeconds} s`,
    severity: 'warning',
    why: 'a process that crashes and is back before three polls failed has cut everybody off, and nothing else would say so',
    notes: [
      '`node.restarted` leaves out what was announced: a restart while a drain has the node or holds it, in maintenance, at another address, or of a process that had said that it stops (SIGTERM). The end of an outage that was told as `node.down` or `region.unreachable` is no restart of its own. What restarted while the collector was not running is not known.',
      'Of a server that is read by the proxy in front of it nobody knows when it restarts: `node.restarted` is about the proxy, as a node of its own.',
      'A run that comes back after another one was seen means that two processes answer under one id in turn, for example a copied configuration behind one address. `node.restarted` says so, and stays open while they do.',
    ],
  }),
  titleOfMany: (nodes) => `${nodes} restarted`,
  scopes: everyNode,
  about(fact) {
    if (fact.type === 'reading') return `node:${fact.node}`
    if (fact.type !== 'event' || fact.event.node === null || fact.event.source !== 'node') return null
    return endingBy(fact.event) === null ? null : `node:${fact.event.node}`
  },
  start: (): Restarts => NOTHING,
  take(restarts, fact, { scope, fleet }) {
    const node = fleet.node(scope.nodes[0] ?? '')
    if (node === null) return restarts
    if (fact.type === 'reading') return takeReading(restarts, fact, node, fleet)
    const { run } = restarts
    const isEnding = fact.type === 'event' ? endingBy(fact.event) : null
    if (fact.type !== 'event' || run === null || isEnding === null || fact.event.epoch !== run.epoch)
      return restarts
    return { ...restarts, run: { ...run, isEnding } }
  },
  verdict({ count, firstAt, lastAt, servedMs, alternates }, { scope, thresholds, open, now }) {
    const id = scope.nodes[0] ?? ''
    const quietMs = thresholds.quietSeconds * 1_000
    const because = `${id} has been running since`
    if (lastAt === null)
      return open !== null && now - open.openedAt < quietMs ? { state: 'hold' } : { state: 'closed', because }
    if (now - lastAt >= quietMs) return { state: 'closed', because }
    const served = servedMs === null ? '' : `; the process before had run for ${durationWords(servedMs)}`
    const times = plural(count, 'time')
    return {
      state: 'open',
      startedAt: firstAt,
      sentence: alternates
        ? `two processes answer as ${id} in turn (${plural(count, 'change')} so far)`
        : count === 1
          ? `${id} restarted without notice${served}`
          : `${id} restarted ${times} without notice${served}`,
      title: alternates ? `Two processes answer as ${id}` : `${id} restarted`,
      severity: 'warning',
      impact: alternates ? `${id} is two processes` : `${id} restarted ${times}`,
    }
  },
  afterClose: ({ run, past }) => ({ ...NOTHING, run, past }),
  // A clock of ours that was set back must not make a minute an hour.
  forget: (restarts, now) =>
    restarts.lastAt !== null && restarts.lastAt > now
      ? { ...restarts, lastAt: now, firstAt: Math.min(restarts.firstAt, now) }
      : restarts,
})
