import { plural } from '../../contract/words.ts'
import type { PollOutcome, Reading } from '../adapters/reading.ts'

/** A node of which it is not known whether it is gone, or our own way to it. */
export interface NetworkDoubt {
  /** Epoch ms of the poll that raised it. */
  since: number
  /** When the first of the bad polls began. */
  badSince: number
  /** It was given the benefit for long enough. */
  over: boolean
}

/** One node as the doubt looks at it. */
export interface DoubtNode {
  readonly id: string
  readonly region: string
  readonly embedded: boolean
  readonly reading: Reading | null
  /** Milliseconds between two of its polls. */
  readonly intervalMs: number
}

/** Outcomes that a network between us and the node has as well as the node itself. */
const NETWORK_OUTCOMES: readonly PollOutcome[] = ['timeout', 'dns']
/** With fewer remote nodes than this, or all in one region, none can vouch for our own network. */
const QUORUM_NODES = 3
const QUORUM_REGIONS = 2
/** How long a node is not known, and not down, where it cannot be told whose fault it is. */
export const DOUBT_MS = 60_000

/** Whether the network between us and the node can have been the reason. */
export const isNetworkPoll = (reading: Reading): boolean =>
  reading.noRoute !== undefined || NETWORK_OUTCOMES.includes(reading.outcome)

/**
 * Why a bad poll proves nothing about this node, in a sentence, or null where it does. Own faults first: where no node of several
 * regions is reached it is our network; without a route from here, or with too few nodes to tell, a node gets a minute.
 *
 * @param fleet all nodes with their newest readings; one that answered before this poll began vouches for our network
 * @param doubtedSince epoch ms since when this node is in doubt already
 * @param badSince epoch ms of the first of its bad polls: who was not asked since then vouches for nothing
 */
export const networkDoubt = (
  node: DoubtNode,
  reading: Reading,
  fleet: readonly DoubtNode[],
  doubtedSince: number | null,
  badSince: number = reading.at,
): string | null => {
  if (node.embedded || !isNetworkPoll(reading)) return null
  // A clock that was set back meanwhile must not make a minute an hour.
  const isOver = doubtedSince !== null && (reading.at - doubtedSince >= DOUBT_MS || reading.at < doubtedSince)
  const others = fleet.filter((each) => !each.embedded && each.id !== node.id)
  const replied = others.filter((each) => each.reading !== null && !isNetworkPoll(each.reading))
  // A single bad poll makes a node down where its threshold says so: then an answer since its own last turn counts.
  const since = Math.min(badSince, reading.at - node.intervalMs)
  const answered = replied.filter(({ reading: theirs }) => theirs && theirs.at + theirs.durationMs >= since)
  const hasWitness = answered.some(
    ({ reading: theirs }) => theirs && theirs.at + theirs.durationMs <= reading.at,
  )
  const noWay = `this machine has no way to ${node.id}: ${reading.reason}`
  if (hasWitness) return reading.noRoute === 'here' && !isOver ? noWay : null
  // One that answered after this poll began: whether this node does is told by its next one.
  if (answered.length > 0) return 'the network of the collector was gone a moment ago'
  if (replied.length > 0)
    return isOver
      ? null
      : `no answer (${reading.reason}), and no other node was asked since, so that it is not known whether the network of this machine is the reason`
  const regions = new Set([node.region, ...others.map((each) => each.region)])
  if (others.length + 1 >= QUORUM_NODES && regions.size >= QUORUM_REGIONS)
    return 'the collector reaches no node of any region; its own network may be gone'
  if (reading.noRoute === 'here') return noWay
  return isOver
    ? null
    : `no answer (${reading.reason}), and with ${plural(others.length + 1, 'node')} to ask it is not known whether the network of this machine is the reason`
}
