import { z } from 'zod'
import { CLOSE } from '../../contract/close-codes.ts'
import { durationWords, plural } from '../../contract/words.ts'
import { defineRule, type LookContext, type SignalVerdict } from './rule.ts'
import { seconds, threshold, whole } from './threshold.ts'
import { type TunnelLoss, TunnelLosses } from './tunnel-losses.ts'

/** Ends that somebody wanted: operator's drain, operator's kick, moved to another relay, replaced by a newer tunnel. */
const WANTED = new Set<number>([CLOSE.drain, CLOSE.kicked, CLOSE.stale, CLOSE.replaced])
/** A burst that is read late, for example after a stream came back, still counts for so long. */
const LOOK_BACK_MS = 60_000

const counts = (loss: TunnelLoss): boolean =>
  !loss.explained && !(loss.code !== null && WANTED.has(loss.code))

/** How many of a row of losses each host has, and how many hosts there are. */
class HostCounts {
  readonly #counts = new Map<string, number>()

  get hosts(): number {
    return this.#counts.size
  }

  add(hostId: string): void {
    this.#counts.set(hostId, (this.#counts.get(hostId) ?? 0) + 1)
  }

  remove(hostId: string): void {
    const left = (this.#counts.get(hostId) ?? 0) - 1
    if (left > 0) this.#counts.set(hostId, left)
    else this.#counts.delete(hostId)
  }
}

const thresholds = z.object({
  share: threshold(z.number().gt(0).max(1), 0.2, {
    unit: 'share',
    description: "share of the region's tunnels",
  }),
  withinSeconds: threshold(seconds(1, 300), 10, { unit: 's', description: 'window' }),
  minimum: threshold(whole(1, 100_000), 2, { unit: 'hosts', description: 'hosts, however small the region' }),
  quietSeconds: threshold(seconds(1, 600), 30, {
    unit: 's',
    description: 'seconds without a loss until it closes',
  }),
})
type Thresholds = z.output<typeof thresholds>

/**
 * `tunnel.storm`: more than `share` of a region's tunnels lost within `withinSeconds`, outside a drain and maintenance. Closes when `quietSeconds`
 * passed without a loss.
 */
export const tunnelStorm = defineRule({
  kind: 'tunnel.storm',
  of: 'region',
  thresholds,
  words: ({ share, withinSeconds, minimum, quietSeconds }) => ({
    opens: `more than ${share * 100} % of a region's tunnels (at least ${plural(minimum, 'host')}) were lost within ${withinSeconds} s, outside a drain and maintenance`,
    closes: `no tunnel was lost for ${quietSeconds} s`,
    severity: 'warning',
    why: 'a deployment that rolls too fast, or a relay that dies, takes many hosts at once',
    notes: [
      '`tunnel.storm` does not count closes 4001 (drain), 4404 (kick), 4408 (moved), 4409 (replaced), nor losses on a node while a drain of it is active, or while it is in maintenance: also not when that is over. Where a relay died and told nobody, the hosts that come back elsewhere say where they come from.',
    ],
  }),
  scopes: (fleet) => fleet.regions().map((region) => ({ id: `region:${region}`, region, nodes: [] })),
  about(fact, fleet) {
    if (fact.type !== 'event') return null
    const { type, region, data } = fact.event
    if (type === 'tunnel.lost') return region === null ? null : `region:${region}`
    if (type !== 'tunnel.registered' || typeof data.previousNode !== 'string') return null
    const previous = fleet.node(data.previousNode)
    return previous === null ? null : `region:${previous.region}`
  },
  start: () => new TunnelLosses(),
  take(losses, fact, { fleet }) {
    if (fact.type !== 'event') return losses
    const { type, node, data } = fact.event
    const at = Date.parse(fact.event.at)
    const { hostId } = data
    if (node === null || typeof hostId !== 'string') return losses
    const explained = (id: string, lostAt: number): boolean =>
      fleet.node(id)?.draining === true || fleet.inMaintenance(id, lostAt)
    if (type === 'tunnel.lost') {
      losses.add({ hostId, node, at, code: numberOrNull(data.code), explained: explained(node, at) })
      return losses
    }
    // A relay that died told nobody of its losses; the host that comes back elsewhere does.
    const previous = String(data.previousNode)
    const gapMs = numberOrNull(data.gapMs)
    const code = numberOrNull(data.previousCloseCode)
    if (gapMs === null || gapMs === 0 || code === null) return losses
    const lostAt = at - gapMs
    if (!losses.knows(hostId, lostAt))
      losses.add({ hostId, node: previous, at: lostAt, code, explained: explained(previous, lostAt) })
    return losses
  },
  verdict: (losses, context) => verdictOn(losses.all(), context),
  // The losses of a storm that is over must not open the next one.
  afterClose(losses) {
    losses.clear()
    return losses
  },
  forget(losses, now) {
    losses.prune(now)
    return losses
  },
})

/**
 * The window slides over the losses' own times, so that it does not matter when they were read; one pass, because a storm is when there
 * are many.
 */
const verdictOn = (
  losses: readonly TunnelLoss[],
  { scope: { region }, fleet, now, open, thresholds: limits }: LookContext<Thresholds>,
): SignalVerdict => {
  const registered = fleet.registeredHosts(region)
  const openSince = open?.startedAt ?? null
  const context = { region, now }
  const windowMs = limits.withinSeconds * 1000
  const from = openSince ?? now - 2 * LOOK_BACK_MS - windowMs
  const relevant = inOrder(losses.filter((loss) => loss.at >= from && counts(loss)))

  if (openSince !== null) {
    const last = relevant.at(-1)?.at ?? openSince
    if (now - last >= limits.quietSeconds * 1000) {
      return { state: 'closed', because: 'no tunnel is lost any more' }
    }
    return relevant.length === 0 ? { state: 'hold' } : opened(relevant, registered, context)
  }

  const inWindow = new HostCounts()
  // The region as it was: those that are there, and those that went shortly before or after.
  const gone = new HostCounts()
  for (const { hostId } of relevant) if (!registered.has(hostId)) gone.add(hostId)
  let windowStart = 0
  let goneStart = 0
  for (const end of relevant) {
    inWindow.add(end.hostId)
    for (
      let loss = relevant[windowStart];
      loss && loss.at <= end.at - windowMs;
      loss = relevant[windowStart]
    ) {
      inWindow.remove(loss.hostId)
      windowStart += 1
    }
    for (
      let loss = relevant[goneStart];
      loss && loss.at <= end.at - LOOK_BACK_MS;
      loss = relevant[goneStart]
    ) {
      if (!registered.has(loss.hostId)) gone.remove(loss.hostId)
      goneStart += 1
    }
    if (end.at < now - LOOK_BACK_MS) continue
    const all = registered.size + gone.hosts
    if (inWindow.hosts >= limits.minimum && inWindow.hosts > limits.share * all) {
      return opened(relevant.slice(windowStart), registered, context)
    }
  }
  return { state: 'closed', because: 'no burst of losses' }
}

const inOrder = (losses: TunnelLoss[]): TunnelLoss[] =>
  losses.every((loss, index) => index === 0 || (losses[index - 1]?.at ?? 0) <= loss.at)
    ? losses
    : losses.sort((a, b) => a.at - b.at)

const opened = (
  losses: readonly TunnelLoss[],
  registered: ReadonlySet<string>,
  context: { region: string; now: number },
): SignalVerdict => {
  const hosts = new Set(losses.map((loss) => loss.hostId))
  const total = registered.size + [...hosts].filter((hostId) => !registered.has(hostId)).length
  const first = losses[0]?.at ?? context.now
  const last = losses.at(-1)?.at ?? first
  const codes = [...new Set(losses.map((loss) => loss.code ?? 'no code'))].sort().join(', ')
  const what = `${hosts.size} of ${plural(total, 'tunnel')}`
  return {
    state: 'open',
    startedAt: first,
    sentence: `${context.region} lost ${what} within ${durationWords(Math.max(1_000, last - first))}, outside a drain (${codes})`,
    title: `${context.region} lost ${what}`,
    severity: 'warning',
    impact: `${what} of ${context.region} lost`,
    nodes: [...new Set(losses.map((loss) => loss.node))],
  }
}

const numberOrNull = (value: unknown): number | null => (typeof value === 'number' ? value : null)
