import { plural, roughSpanWords } from '../words.ts'
import type { DetectThresholds, SignalVerdict } from './signal-rule.ts'

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
const WANTED = new Set([4001, 4404, 4408, 4409])
/** A burst that is read late, for example after a stream came back, still counts for so long. */
const LOOK_BACK_MS = 60_000

const counts = (loss: TunnelLoss): boolean =>
  !loss.explained && !(loss.code !== null && WANTED.has(loss.code))

/**
 * `tunnel.storm`: more than `share` of a region's tunnels lost within `withinSeconds`, outside a drain. The window slides over
 * the losses' own times, so that it does not matter when they were read. Closes when `quietSeconds` passed without a loss.
 */
export const tunnelStorm = (
  losses: readonly TunnelLoss[],
  context: { region: string; registered: readonly string[]; now: number; openSince: number | null },
  thresholds: Thresholds,
): SignalVerdict => {
  const relevant = losses
    .filter((loss) => loss.region === context.region && counts(loss))
    .sort((a, b) => a.at - b.at)
  const registered = new Set(context.registered)

  if (context.openSince !== null) {
    const since = context.openSince
    const during = relevant.filter((loss) => loss.at >= since)
    const last = during.at(-1)?.at ?? since
    if (context.now - last >= thresholds.quietSeconds * 1000) {
      return { state: 'closed', because: `no tunnel was lost for ${thresholds.quietSeconds} s` }
    }
    return during.length === 0 ? { state: 'hold' } : opened(during, registered, context)
  }

  const windowMs = thresholds.withinSeconds * 1000
  for (const end of relevant) {
    if (end.at < context.now - LOOK_BACK_MS) continue
    const inWindow = relevant.filter((loss) => loss.at > end.at - windowMs && loss.at <= end.at)
    const hosts = new Set(inWindow.map((loss) => loss.hostId))
    // The region as it was: those that are there, and those that went shortly before or after.
    const gone = relevant.filter((loss) => loss.at > end.at - LOOK_BACK_MS)
    const all = new Set([...registered, ...gone.map((loss) => loss.hostId)])
    if (hosts.size >= thresholds.minimum && hosts.size > thresholds.share * all.size) {
      const first = inWindow[0]?.at ?? end.at
      return opened(
        relevant.filter((loss) => loss.at >= first),
        registered,
        context,
      )
    }
  }
  return { state: 'closed', because: 'no burst of losses' }
}

const opened = (
  losses: readonly TunnelLoss[],
  registered: ReadonlySet<string>,
  context: { region: string; now: number },
): SignalVerdict => {
  const hosts = new Set(losses.map((loss) => loss.hostId))
  const total = new Set([...registered, ...hosts]).size
  const first = losses[0]?.at ?? context.now
  const last = losses.at(-1)?.at ?? first
  const codes = [...new Set(losses.map((loss) => loss.code ?? 'no code'))].sort().join(', ')
  const what = `${hosts.size} of ${plural(total, 'tunnel')}`
  return {
    state: 'open',
    startedAt: first,
    sentence: `${context.region} lost ${what} within ${roughSpanWords(Math.max(1_000, last - first))}, outside a drain (${codes})`,
    title: `${context.region} lost ${what}`,
    severity: 'warning',
    impact: `${what} of ${context.region} lost`,
  }
}
