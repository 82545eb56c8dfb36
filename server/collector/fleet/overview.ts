import type {
  Drain,
  Incident,
  Intent,
  Node,
  ObservedState,
  Overview,
  Region,
  RoomProblem,
  VerdictLevel,
} from '../../contract/index.ts'
import { SEVERITIES } from '../../contract/states.ts'
import { durationWords, listWords, plural, verbFor } from '../../contract/words.ts'
import { quietSince } from '../incidents/folding.ts'

/** Order of badness among nodes that do not serve, or not well. */
const BADNESS: readonly ObservedState[] = ['up', 'degraded', 'unknown', 'down']

const serves = (state: ObservedState): boolean => state === 'up' || state === 'degraded'

/**
 * The worst of its nodes; but all drained is drained, some draining is draining, and a region of which some nodes are down
 * while others serve is degraded: it is down only when nothing in it serves.
 */
export const regionState = (nodes: readonly ObservedState[], intent: Intent): ObservedState => {
  if (nodes.length === 0) return 'unknown'
  if (nodes.every((state) => state === 'drained')) return 'drained'
  if (nodes.includes('draining')) return 'draining'
  // Between two nodes of a regional drain none is draining, yet the region is on its way.
  if (nodes.includes('drained') && intent === 'drain') return 'draining'
  if (nodes.includes('down') && nodes.some(serves)) return 'degraded'
  return nodes
    .filter((state) => state !== 'drained')
    .reduce<ObservedState>(
      (worst, state) => (BADNESS.indexOf(state) > BADNESS.indexOf(worst) ? state : worst),
      'up',
    )
}

/** `1 of 2 down`: what a region's one word cannot say, worst first; null where all its nodes are alike. */
export const regionWords = (nodes: readonly ObservedState[]): string | null => {
  if (new Set(nodes).size < 2) return null
  const parts = (['down', 'unknown', 'degraded', 'draining', 'drained'] as const).flatMap((state) => {
    const count = nodes.filter((each) => each === state).length
    return count === 0 ? [] : [`${count} of ${nodes.length} ${state}`]
  })
  return parts.length === 0 ? null : parts.join(', ')
}

/** A verdict's sentence, and the same as of a moment that has passed, for a page that cannot know better. */
interface Said {
  text: string
  was: string
}

/** One sentence and a level: is everything all right? */
export const verdictOf = (facts: {
  regions: readonly Region[]
  nodes: readonly Node[]
  incidents: readonly Incident[]
  problems: readonly RoomProblem[]
  now: number
}): Overview['verdict'] => {
  const { regions, nodes, incidents, problems } = facts
  if (nodes.length === 0) {
    return {
      level: 'attention',
      text: 'No node is configured: nothing is watched yet.',
      was: 'no node was configured',
    }
  }
  const trouble = troubleOf(facts)
  const unknown = nodes.filter((node) => node.state === 'unknown')
  // A drain of the last region that serves is wanted, and still nothing to sleep through.
  const serving = nodes.filter((node) => serves(node.state))
  const nothingServes = serving.length === 0 && unknown.length < nodes.length
  // What was announced is no outage, as long as something serves.
  const fallen = regions.some(({ state, maintenance }) => state === 'down' && maintenance === undefined)
  const lastLeaves =
    serving.length > 0 &&
    serving.every((node) => regions.find(({ id }) => id === node.region)?.state === 'draining')
  const level: VerdictLevel =
    nothingServes || trouble.stuck || fallen
      ? 'outage'
      : lastLeaves || incidents.length + unknown.length + trouble.needy + problems.length > 0
        ? 'attention'
        : 'ok'

  if (unknown.length === nodes.length && trouble.needy === 0) return { level, ...nothingKnown(nodes) }
  if (nothingServes) return { level, ...withProblem(nothingServing(regions, nodes, trouble), problems) }
  const said =
    trouble.needy > 0
      ? needing(nodes, trouble, unknown.length)
      : unknown.length + incidents.length > 0
        ? unsettled(facts, unknown.length)
        : doingTheirJob(regions, nodes)
  return { level, ...withProblem(said, problems) }
}

interface Trouble {
  /** Worst first, for example `fra-1 push stuck for 3 min`. */
  causes: string[]
  /** Nodes that somebody has to look at. */
  needy: number
  stuck: boolean
}

const troubleOf = (facts: {
  nodes: readonly Node[]
  incidents: readonly Incident[]
  now: number
}): Trouble => {
  const stuck = facts.incidents.flatMap((incident) =>
    incident.signals
      .filter((signal) => signal.kind === 'push.stuck' && signal.closedAt === undefined)
      .map((signal) => ({ node: signal.scope.replace(/^node:/, ''), since: Date.parse(incident.startedAt) })),
  )
  // What a drain took away, for a restart or for good, needs nobody; neither does what is in maintenance.
  const down = facts.nodes.filter(
    (node) => node.state === 'down' && node.away === undefined && node.maintenance === undefined,
  )
  // A node that is already named for its problem is not named again for its state.
  const degraded = facts.nodes.filter(
    (node) =>
      node.state === 'degraded' &&
      node.maintenance === undefined &&
      !stuck.some((entry) => entry.node === node.id),
  )
  return {
    causes: [
      ...stuck.map((entry) => `${entry.node} push stuck for ${durationWords(facts.now - entry.since)}`),
      ...(down.length > 0 ? [`${listWords(down.map((node) => node.id))} down`] : []),
      ...(degraded.length > 0 ? [`${listWords(degraded.map((node) => node.id))} degraded`] : []),
    ],
    needy: new Set([...stuck.map((entry) => entry.node), ...down, ...degraded].map(idOf)).size,
    stuck: stuck.length > 0,
  }
}

const idOf = (node: string | Node): string => (typeof node === 'string' ? node : node.id)

/** Where every node is unknown for one and the same reason, that reason is the news: our own network, for example. */
const nothingKnown = (nodes: readonly Node[]): Said => {
  const reasons = new Set(nodes.map((node) => node.problems?.[0] ?? ''))
  const all = plural(nodes.length, 'node')
  const told = nodes.find((node) => node.problems?.[0])
  const reason = told?.problems?.[0]
  return {
    text:
      told === undefined
        ? `Nothing is known yet of ${all}: each is asked twice first.`
        : reasons.size === 1
          ? `Nothing is known of ${all}: ${reason}.`
          : `Nothing is known of ${all}; of ${told.id}: ${reason}.`,
    was: `nothing was known of ${all}`,
  }
}

const nothingServing = (regions: readonly Region[], nodes: readonly Node[], { causes }: Trouble): Said => {
  const out = leavingWords(regions, nodes)
  const now = [...causes.slice(0, 3), ...(out ? [out.now] : [])].join('; ')
  const was = [...causes.slice(0, 3), ...(out ? [out.was] : [])].join('; ')
  return { text: `Nothing serves: ${now}.`, was: `nothing served: ${was}` }
}

const needing = (nodes: readonly Node[], { causes, needy }: Trouble, unknown: number): Said => {
  // Unknown is counted apart from down and from up.
  const parts = [...causes.slice(0, 3), ...(unknown > 0 ? [`${plural(unknown, 'node')} unknown`] : [])]
  const who = `${needy} of ${plural(nodes.length, 'node')}`
  const what = parts.join('; ')
  return {
    text: `${who} ${needy === 1 ? 'needs' : 'need'} you: ${what}.`,
    was: `${who} needed you: ${what}`,
  }
}

/** No node needs anybody, yet an incident is open or something is not known. */
const unsettled = (
  facts: { regions: readonly Region[]; nodes: readonly Node[]; incidents: readonly Incident[]; now: number },
  unknown: number,
): Said => {
  const { incidents } = facts
  const notKnown = unknown > 0 ? [`${plural(unknown, 'node')} unknown`] : []
  // The worst represents the others, and what goes on represents what is quiet.
  const rank = (incident: Incident): number =>
    (quietSince(incident) === null ? SEVERITIES.length : 0) + SEVERITIES.indexOf(incident.severity)
  const [open] = [...incidents].sort((a, b) => rank(b) - rank(a))
  if (!open) return { text: `${notKnown}.`, was: `${notKnown}` }
  const count = plural(incidents.length, 'incident')
  const quiet = incidents.map(quietSince)
  if (unknown === 0 && quiet.every((since) => since !== null)) {
    // Its title says what was; what is belongs into the headline.
    const held = durationWords(facts.now - Math.max(...quiet.map(Number)))
    const job = doingTheirJob(facts.regions, facts.nodes)
    const again = `${job.text.charAt(0).toLowerCase()}${job.text.slice(1).replace(/ (?:do their|does its) job/, '$& again')}`
    return { text: `${count} open, quiet for ${held}: ${again}`, was: `${count} open, quiet; ${job.was}` }
  }
  const more = incidents.length > 1 ? ` and ${incidents.length - 1} more` : ''
  const what = `${count} open: ${[`${open.title}${more}`, ...notKnown].join('; ')}`
  return { text: `${what}.`, was: what }
}

const doingTheirJob = (regions: readonly Region[], nodes: readonly Node[]): Said => {
  const up = nodes.filter((node) => node.state === 'up').length
  const out = leavingWords(regions, nodes)
  const all = plural(nodes.length, 'node')
  const their = up === 1 ? 'its' : 'their'
  if (up === nodes.length) {
    const inRegions = `in ${plural(regions.length, 'region')}`
    return up === 1
      ? { text: `${all} ${inRegions} does its job.`, was: `${all} did its job` }
      : { text: `All ${all} ${inRegions} do their job.`, was: `all ${all} did their job` }
  }
  return {
    text: `${up} of ${all} ${verbFor(up, 'serves and does', 'serve and do')} ${their} job${out ? `; ${out.now}` : ''}.`,
    was: `${up} of ${all} served and did ${their} job${out ? `; ${out.was}` : ''}`,
  }
}

/** What is drained, on its way, or away for maintenance: regions where whole ones are, else nodes. */
const leavingWords = (
  regions: readonly Region[],
  nodes: readonly Node[],
): { now: string; was: string } | null => {
  const isOut = ({ state }: { state: ObservedState }) => state === 'drained' || state === 'draining'
  const rests = (part: Region | Node) =>
    part.maintenance !== undefined && !isOut(part) && part.state !== 'up' && part.state !== 'unknown'
  const whole = regions.filter((region) => isOut(region) || rests(region))
  const out: readonly (Region | Node)[] =
    whole.length > 0 ? whole : nodes.filter((node) => isOut(node) || rests(node))
  if (out.length === 0) return null
  const words = (verb: string) =>
    out.map((part) => `${part.id} ${verb} ${isOut(part) ? part.state : 'in maintenance'}`).join(', ')
  return { now: words('is'), was: words('was') }
}

/** What is wrong with the room itself belongs into the same sentence: nobody reads a second one at night. */
const withProblem = (said: Said, problems: readonly RoomProblem[]): Said => {
  const [problem] = problems
  if (!problem) return said
  const but = (what: string): Said => ({ ...said, text: `${said.text.replace(/\.$/, '')}, but ${what}.` })
  if (problem.brief !== undefined) return but(problem.brief)
  // What is listed after the colon of a configuration's problem stands in the banner, which is on every page too.
  const text = problem.code.startsWith('config_') ? problem.text.replace(/: .*/s, '') : problem.text
  // An abbreviation keeps its capitals.
  const first = /^[A-Z](?![A-Z])/.test(text) ? text.charAt(0).toLowerCase() : text.charAt(0)
  return but(`${first}${text.slice(1).replace(/\.$/, '')}`)
}

/** Said where the store fails and whoever watches it has not told of it yet. */
const storeProblem = (since: string): RoomProblem => ({
  code: 'store_not_recording',
  text: 'The store does not record: what happens now will be missing later.',
  remedy: 'Check the disk and the database file; the System page names the fault.',
  since,
})

/** About how the room was set up: every page says so, and the verdict, which is about what happens, does not change with it. */
const SET_UP: ReadonlySet<string> = new Set(['open_without_tls', 'config_needs_restart'])

export const overviewOf = (facts: {
  regions: Region[]
  nodes: Node[]
  incidents: Incident[]
  drains: Drain[]
  held: Overview['held']
  live: { hub: string; seq: number }
  collector: Overview['collector']
  problems: Overview['problems']
  demo: boolean
  now: number
}): Overview => {
  const { now, ...rest } = facts
  const at = new Date(now).toISOString()
  const problems =
    facts.collector.storeOk || facts.problems.some((problem) => problem.code.startsWith('store'))
      ? facts.problems
      : [storeProblem(at), ...facts.problems]
  const sum = (values: readonly (number | null)[]): number | null =>
    values.every((value) => value === null)
      ? null
      : values.reduce<number>((total, value) => total + (value ?? 0), 0)
  return {
    at,
    verdict: verdictOf({ ...rest, problems: problems.filter(({ code }) => !SET_UP.has(code)), now }),
    ...rest,
    problems,
    totals: {
      nodes: facts.nodes.length,
      up: facts.nodes.filter((node) => node.state === 'up').length,
      unknown: facts.nodes.filter((node) => node.state === 'unknown').length,
      tunnels: sum(facts.regions.map((region) => region.tunnels)),
      connections: sum(facts.regions.map((region) => region.connections)),
    },
  }
}
