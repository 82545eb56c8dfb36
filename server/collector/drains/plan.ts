import type { DrainNotice, DrainPlan, PlannedPhase, Strategy } from '../../contract/drains.ts'
import type { Node } from '../../contract/fleet.ts'
import { countWords, listWords, plural } from '../../contract/words.ts'
import type { DrainFleet } from './drain-fleet.ts'
import type { DrainSubject } from './drain-subject.ts'
import { PROVING_SECONDS } from './empty-proof.ts'
import { SETTLE_SECONDS } from './led-steps.ts'
import { NOTHING_ELSE_SERVES } from './serving-floor.ts'
import { leavesNobody, successorsOf, withoutLike } from './take-over.ts'

/** Seconds that phase 3 may take beyond tunnels ÷ pace. */
const TUNNEL_SLACK_SECONDS = 10
/** Tunnels that leave a node at about the same time where no pace is asked for. */
const DEFAULT_SLICE = 50

/** Beside the fleet: what other drains do to it. */
export interface PlanContext {
  /** The drain that is active here already. */
  running: { id: string; since: string } | null
  /** Nodes that serve and that no other drain takes out. */
  servers: ReadonlySet<string>
  /** Epoch ms. */
  now: number
}

/**
 * The plan of a drain: what will move, where it will probably go, how long it may take, and what speaks against it. Pure over what
 * the fleet knows now; nothing is touched.
 */
export const planDrain = (
  fleet: DrainFleet,
  subject: Pick<DrainSubject, 'region' | 'nodes'>,
  strategy: Strategy,
  context: PlanContext,
): DrainPlan => {
  // A drain of one node leaves its neighbours to take over; a regional one leaves only other regions.
  const receivers = successorsOf(fleet, idsOf(subject)).filter((node) => node.region !== subject.region)
  const moves = subject.nodes.map((node) => movesOf(fleet, node))
  const tunnelsMoving = moves.reduce((sum, move) => sum + (move.tunnels ?? 0), 0)
  const phases = subject.nodes.flatMap((node) => phasesOf(fleet, node, strategy, tunnelsOf(fleet, node.id)))
  const serving = receivers.filter((node) => context.servers.has(node.id))
  const expected = forecast(fleet, serving, tunnelsMoving, strategy)
  return {
    moves,
    nodes: subject.nodes.map(({ id, kind }) => ({
      node: id,
      kind,
      verb: fleet.drainVerbs(id)?.verb ?? null,
      proof: fleet.drainProof(id),
    })),
    forecast: expected.map(({ entry }) => entry),
    phases,
    totalSeconds: phases.reduce((sum, phase) => sum + phase.seconds, 0),
    blockers: [...blockers(fleet, subject, serving, context), ...impossible(fleet, subject, strategy)],
    warnings: [
      ...overCapacity(expected),
      ...warnings(fleet, subject, receivers, context),
      ...unforced(fleet, subject, strategy),
      ...unlike(fleet, subject, serving),
    ],
  }
}

const idsOf = ({ nodes }: Pick<DrainSubject, 'nodes'>): string[] => nodes.map(({ id }) => id)

const tunnelsOf = (fleet: DrainFleet, node: string): number =>
  fleet.tunnels().filter((tunnel) => tunnel.node === node && tunnel.state === 'registered').length

/** What a node says that it holds; null for each number that it never said, because it has not answered or does not count it. */
const movesOf = (fleet: DrainFleet, { id }: Node): DrainPlan['moves'][number] => {
  const { gauges, drain } = fleet.known(id)?.facts ?? {}
  // A node with a drain of its own also counts the parts that it does not have: of these it holds nothing.
  const held = drain?.remaining
  const listed = tunnelsOf(fleet, id)
  return {
    node: id,
    connections: gauges?.connections ?? held?.connections ?? null,
    tunnels: listed > 0 ? listed : (gauges?.tunnels ?? held?.tunnels ?? null),
    requests: gauges?.requests_pending ?? held?.requests ?? null,
    pushes: held?.pushes ?? null,
  }
}

/** One budget for everybody: the node's own, as its page shows it, unless this drain asks for less time or a slower pace. */
const phasesOf = (fleet: DrainFleet, node: Node, strategy: Strategy, tunnels: number): PlannedPhase[] => {
  const proving: PlannedPhase = {
    node: node.id,
    phase: 'proving',
    seconds: PROVING_SECONDS,
    limitSeconds: null,
  }
  // What counts nothing is given its time, and that is all.
  if (fleet.drainProof(node.id) === 'none')
    return [{ node: node.id, phase: 'pre_drain', seconds: SETTLE_SECONDS, limitSeconds: SETTLE_SECONDS }]
  if (isLed(fleet, node)) {
    const seconds = Math.min(45, strategy.deadlineSeconds)
    // Nothing is cut there: at its deadline it is taken back, or left as it is.
    const limitSeconds = strategy.onDeadline === 'resume' ? strategy.deadlineSeconds : null
    return [{ node: node.id, phase: 'connections', seconds, limitSeconds }, proving]
  }
  const budget = fleet.known(node.id)?.facts?.drain?.budgetSeconds
  const pace = strategy.tunnelsPerSecond
  const tunnelSeconds =
    pace === undefined
      ? (budget?.tunnels ?? TUNNEL_SLACK_SECONDS)
      : Math.ceil(tunnels / pace) + TUNNEL_SLACK_SECONDS
  const preDrain = budget?.preDrain ?? 10
  const connections = Math.min(budget?.http ?? 45, strategy.deadlineSeconds)
  const connectionsLimit = strategy.onDeadline === 'wait' ? null : strategy.deadlineSeconds
  return [
    { node: node.id, phase: 'pre_drain', seconds: preDrain, limitSeconds: preDrain },
    { node: node.id, phase: 'connections', seconds: connections, limitSeconds: connectionsLimit },
    { node: node.id, phase: 'tunnels', seconds: tunnelSeconds, limitSeconds: tunnelSeconds },
    proving,
  ]
}

interface Expected {
  entry: DrainPlan['forecast'][number]
  /** Tunnels that it would hold at least: what comes, and what it has as far as that is known. */
  atLeast: number
}

/** Which regions take the tunnels: spread evenly over those that serve, because only the hosts know their own lists. */
const forecast = (
  fleet: DrainFleet,
  serving: readonly Node[],
  tunnelsMoving: number,
  strategy: Strategy,
): Expected[] => {
  const regions = fleet.regions().filter((region) => serving.some((node) => node.region === region.id))
  const pace = strategy.tunnelsPerSecond ?? Math.min(tunnelsMoving, DEFAULT_SLICE)
  return regions.flatMap((region, index) => {
    const share =
      Math.floor(tunnelsMoving / regions.length) + (index < tunnelsMoving % regions.length ? 1 : 0)
    // Where nobody counts tunnels and none goes there is nothing to foretell.
    if (region.tunnels === null && share === 0) return []
    const tunnelsNow = region.tunnels
    const entry = {
      region: region.id,
      tunnelsNow,
      tunnelsAfter: tunnelsNow === null ? null : tunnelsNow + share,
      ...(region.capacity?.tunnels === undefined ? {} : { capacity: region.capacity.tunnels }),
      reconnectsPerSecond: Math.round((pace / regions.length) * 10) / 10,
    }
    return [{ entry, atLeast: (tunnelsNow ?? 0) + share }]
  })
}

const overCapacity = (expected: readonly Expected[]): DrainNotice[] =>
  expected.flatMap(({ entry: { region, capacity }, atLeast }) =>
    capacity !== undefined && atLeast > capacity
      ? [
          {
            code: 'capacity',
            message: `${region} would hold ${plural(atLeast, 'tunnel')}, above its capacity of ${countWords(capacity)}`,
          },
        ]
      : [],
  )

const hasFreshData = (fleet: DrainFleet, node: Node, now: number): boolean => {
  const known = fleet.known(node.id)
  return known !== null && known.facts !== null && now - known.at <= 2 * fleet.intervalOf(node.id) + 1_000
}

/** The regions that would take over, each with the time of its latest data: `iad has sent no data since …, sjc none yet`. */
const silentWords = (fleet: DrainFleet, serving: readonly Node[]): string => {
  const regions = [...Map.groupBy(serving, ({ region }) => region)].map(([region, nodes]) => {
    const last = Math.max(...nodes.map(({ id }) => fleet.known(id)?.at ?? 0))
    const since =
      last > 0 ? `since ${new Date(last).toISOString().slice(0, 19).replace('T', ' ')} UTC` : 'yet'
    return `${region} has sent no data ${since}`
  })
  return listWords(regions)
}

const blockers = (
  fleet: DrainFleet,
  subject: Pick<DrainSubject, 'region' | 'nodes'>,
  serving: readonly Node[],
  { running, now }: PlanContext,
): DrainNotice[] => {
  const found: DrainNotice[] = []
  if (running !== null) {
    found.push({
      code: 'drain_running',
      message: `Drain ${running.id} has been active here since ${running.since}; end that one first`,
    })
  }
  // What cannot be taken out needs nobody to take over.
  const going = subject.nodes.filter(({ id }) => fleet.drainVerbs(id) !== null).map(({ id }) => id)
  if (going.length > 0 && leavesNobody(fleet, going, serving)) {
    found.push(NOTHING_ELSE_SERVES)
  } else if (going.length > 0 && !serving.some((node) => hasFreshData(fleet, node, now))) {
    found.push({
      code: 'no_receiver_data',
      message: `${silentWords(fleet, serving)}: nobody knows what could be taken over there. See on the pages of the nodes why they do not answer, and wait until they do; an administrator may force the drain`,
    })
  }
  for (const node of subject.nodes) {
    const drain = fleet.known(node.id)?.facts?.drain
    if (drain && !drain.fits) {
      found.push({
        code: 'budget_unfit',
        message: `The drain budget of ${node.id} does not fit below its ceiling of ${drain.ceilingSeconds} s, so it may be killed half-way`,
      })
    }
  }
  return found
}

/** `an nginx node`, `a json node`: as it is said. */
const kindWords = (kind: string): string =>
  `${/^(?:envoy|haproxy|http|nginx)$/.test(kind) ? 'an' : 'a'} ${kind} node`

/** It answered, and has no drain of its own: this one leads it out. */
const isLed = (fleet: DrainFleet, { id }: Node): boolean => fleet.known(id)?.facts?.drain === null

const CANNOT_DRAIN = 'cannot_drain'
const CANNOT_EXIT = 'cannot_exit'

const impossible = (
  fleet: DrainFleet,
  subject: Pick<DrainSubject, 'region' | 'nodes'>,
  { mode }: Strategy,
): DrainNotice[] =>
  subject.nodes.flatMap((node) => {
    const verbs = fleet.drainVerbs(node.id)
    if (verbs === null) return [noVerbs(node, subject)]
    if (verbs.hindrance !== undefined) return [{ code: CANNOT_DRAIN, message: verbs.hindrance }]
    if (mode !== 'exit' || verbs.exits === true) return []
    const message = `${node.id} is ${kindWords(node.kind)}, whose process a drain cannot end, also not by force; use mode hold`
    return [{ code: CANNOT_EXIT, message }]
  })

const noVerbs = (node: Node, { region, nodes }: Pick<DrainSubject, 'region' | 'nodes'>): DrainNotice => {
  const instead =
    region === null || nodes.length === 1 ? '' : `, or drain the other nodes of ${region} one by one`
  return {
    code: CANNOT_DRAIN,
    message: `${node.id} is ${kindWords(node.kind)}, which the collector cannot take out of service, also not by force; add drain: { webhook: { url, secret } } to its entry of nodes${instead}`,
  }
}

/** What takes over is another program: whether it is set up to is known to people alone. */
const unlike = (
  fleet: DrainFleet,
  subject: Pick<DrainSubject, 'nodes'>,
  serving: readonly Node[],
): DrainNotice[] =>
  leavesNobody(fleet, idsOf(subject), serving)
    ? []
    : withoutLike(fleet, idsOf(subject), serving).map((kind) => ({
        code: 'other_kind',
        message: `No ${kind} node serves elsewhere; see that what serves there is set up to take over`,
      }))

/** Asked for force, where nothing can be closed by force. */
const unforced = (
  fleet: DrainFleet,
  subject: Pick<DrainSubject, 'nodes'>,
  { onDeadline }: Strategy,
): DrainNotice[] =>
  subject.nodes.flatMap((node) => {
    const isCounted = fleet.drainVerbs(node.id) !== null && fleet.drainProof(node.id) === 'counted'
    if (onDeadline !== 'force' || !isCounted || !isLed(fleet, node)) return []
    const message = `Nothing can close the connections of ${node.id}: at the deadline what is left is counted, and it ends drained (unproven)`
    return [{ code: 'cannot_force', message }]
  })

const warnings = (
  fleet: DrainFleet,
  subject: Pick<DrainSubject, 'region' | 'nodes'>,
  receivers: readonly Node[],
  { servers, now }: PlanContext,
): DrainNotice[] => {
  const found: DrainNotice[] = []
  for (const region of fleet.regions()) {
    if (region.id === subject.region) continue
    if (region.state !== 'up' && receivers.some((node) => node.region === region.id)) {
      found.push({ code: 'receiver_not_up', message: `${region.id} is ${region.state}` })
    }
  }
  for (const node of receivers.filter(({ id }) => servers.has(id))) {
    if (!hasFreshData(fleet, node, now)) {
      found.push({ code: 'receiver_stale', message: `${node.id} has sent no data for two intervals` })
    }
  }
  for (const node of subject.nodes) {
    if (fleet.drainVerbs(node.id) !== null && fleet.drainProof(node.id) === 'none') {
      found.push({
        code: 'unproven',
        message: `${node.id} is ${kindWords(node.kind)} that does not count what is open, so nobody can prove that it is empty: it ends drained (unproven)`,
      })
    }
    const twins = (fleet.drainVerbs(node.id)?.twins ?? []).filter((id) => !idsOf(subject).includes(id))
    if (twins.length > 0) {
      found.push({
        code: 'same_process',
        message: `${listWords(twins)} ${twins.length === 1 ? 'is' : 'are'} the same as ${node.id} by another address, and ${twins.length === 1 ? 'goes' : 'go'} with it; keep one entry`,
      })
    }
    if (node.state === 'unknown' || node.state === 'down') {
      found.push({
        code: 'subject_not_seen',
        message: `${node.id} is ${node.state}; the drain waits until it answers`,
      })
    }
  }
  for (const incident of fleet.openIncidents()) {
    found.push({ code: 'incident_open', message: `An incident is open: ${incident.title}` })
  }
  return found
}
