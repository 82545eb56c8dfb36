import { CLOSE } from '../../contract/close-codes.ts'
import { durationWords, plural } from '../../contract/words.ts'
import type { DetectThresholds, SignalVerdict } from './rule.ts'

/** One tunnel's end. */
export interface TunnelLoss {
  hostId: string
  node: string
  region: string
  /** Epoch ms. */
  at: number
  code: number | null
  /** A drain of that node or region was running. */
  explained: boolean
}

type Thresholds = DetectThresholds['tunnel.storm']

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

/**
 * `tunnel.storm`: more than `share` of a region's tunnels lost within `withinSeconds`, outside a drain. The window slides over
 * the losses' own times, so that it does not matter when they were read; one pass, because a storm is when there are many.
 * Closes when `quietSeconds` passed without a loss.
 */
export const tunnelStorm = (
  losses: readonly TunnelLoss[],
  context: { region: string; registered: ReadonlySet<string>; now: number; openSince: number | null },
  thresholds: Thresholds,
): SignalVerdict => {
  const { registered, now, openSince } = context
  const windowMs = thresholds.withinSeconds * 1000
  const from = openSince ?? now - 2 * LOOK_BACK_MS - windowMs
  const relevant = inOrder(
    losses.filter((loss) => loss.at >= from && loss.region === context.region && counts(loss)),
  )

  if (openSince !== null) {
    const last = relevant.at(-1)?.at ?? openSince
    if (now - last >= thresholds.quietSeconds * 1000) {
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
    if (inWindow.hosts >= thresholds.minimum && inWindow.hosts > thresholds.share * all) {
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
  }
}
