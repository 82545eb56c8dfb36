import type {
  Drain,
  Incident,
  Intent,
  Node,
  ObservedState,
  Overview,
  Region,
  VerdictLevel,
} from '../contract/index.ts'
import { listWords, plural, roughSpanWords } from './words.ts'

/** Order of badness; drained and draining are beside it. */
const BADNESS: readonly ObservedState[] = ['up', 'degraded', 'unknown', 'down']

/** The worst of its nodes; but all drained is drained, and some draining is draining. */
export const regionState = (nodes: readonly ObservedState[], intent: Intent): ObservedState => {
  if (nodes.length === 0) return 'unknown'
  if (nodes.every((state) => state === 'drained')) return 'drained'
  if (nodes.includes('draining')) return 'draining'
  // Between two nodes of a regional drain none is draining, yet the region is on its way.
  if (nodes.includes('drained') && intent === 'drain') return 'draining'
  return nodes
    .filter((state) => state !== 'drained')
    .reduce<ObservedState>(
      (worst, state) => (BADNESS.indexOf(state) > BADNESS.indexOf(worst) ? state : worst),
      'up',
    )
}

/** One sentence and a level: is everything all right? */
export const verdictOf = (facts: {
  regions: readonly Region[]
  nodes: readonly Node[]
  incidents: readonly Incident[]
  drains: readonly Drain[]
  now: number
}): { level: VerdictLevel; text: string } => {
  const { regions, nodes, incidents, now } = facts
  if (nodes.length === 0)
    return { level: 'attention', text: 'No node is configured: nothing is watched yet.' }
  const stuck = incidents.flatMap((incident) =>
    incident.signals
      .filter((signal) => signal.kind === 'push.stuck' && signal.closedAt === undefined)
      .map((signal) => ({ node: signal.scope.replace(/^node:/, ''), since: Date.parse(incident.startedAt) })),
  )
  const downRegions = regions.filter((region) => region.state === 'down')
  const of = (state: ObservedState): Node[] => nodes.filter((node) => node.state === state)
  const down = of('down')
  const unknown = of('unknown')
  const degraded = of('degraded')

  const causes: string[] = []
  for (const entry of stuck) causes.push(`${entry.node} push stuck for ${roughSpanWords(now - entry.since)}`)
  if (down.length > 0) causes.push(`${listWords(down.map((node) => node.id))} down`)
  // A node that is named for what hurts is not named again for its state.
  const onlyDegraded = degraded.filter((node) => !stuck.some((entry) => entry.node === node.id))
  if (onlyDegraded.length > 0) causes.push(`${listWords(onlyDegraded.map((node) => node.id))} degraded`)
  const needy = new Set([
    ...stuck.map((entry) => entry.node),
    ...down.map((node) => node.id),
    ...degraded.map((node) => node.id),
  ])
  // Unknown is counted apart from down and from up.
  const notKnown = unknown.length === 0 ? '' : `${plural(unknown.length, 'node')} unknown`

  const level: VerdictLevel =
    downRegions.length > 0 || stuck.length > 0
      ? 'outage'
      : incidents.length > 0 || unknown.length > 0 || degraded.length > 0
        ? 'attention'
        : 'ok'
  if (level === 'ok') return { level, text: `${servingWords(regions, nodes)}${drainWords(regions, nodes)}.` }
  if (needy.size === 0) {
    if (unknown.length === nodes.length) {
      return {
        level,
        text: `Nothing is known yet of ${plural(nodes.length, 'node')}: each is asked twice first.`,
      }
    }
    const open = incidents[0]
    const titles = open
      ? `${open.title}${incidents.length > 1 ? ` and ${incidents.length - 1} more` : ''}`
      : ''
    const parts = [titles, notKnown].filter((part) => part !== '')
    return {
      level,
      text: `${incidents.length > 0 ? `${plural(incidents.length, 'incident')} open: ` : ''}${parts.join('; ')}.`,
    }
  }
  const verb = needy.size === 1 ? 'needs' : 'need'
  const parts = [...causes.slice(0, 3), ...(notKnown === '' ? [] : [notKnown])]
  return { level, text: `${needy.size} of ${plural(nodes.length, 'node')} ${verb} you: ${parts.join('; ')}.` }
}

const servingWords = (regions: readonly Region[], nodes: readonly Node[]): string => {
  const up = nodes.filter((node) => node.state === 'up').length
  if (up === nodes.length)
    return `All ${plural(nodes.length, 'node')} in ${plural(regions.length, 'region')} do their job`
  return `${up} of ${plural(nodes.length, 'node')} serve and do their job`
}

const drainWords = (regions: readonly Region[], nodes: readonly Node[]): string => {
  const whole = regions.filter((region) => region.state === 'drained' || region.state === 'draining')
  if (whole.length > 0) return `; ${whole.map((region) => `${region.id} is ${region.state}`).join(', ')}`
  const single = nodes.filter((node) => node.state === 'drained' || node.state === 'draining')
  return single.length > 0 ? `; ${single.map((node) => `${node.id} is ${node.state}`).join(', ')}` : ''
}

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
  const sum = (values: readonly (number | null)[]): number | null =>
    values.every((value) => value === null)
      ? null
      : values.reduce<number>((total, value) => total + (value ?? 0), 0)
  return {
    at: new Date(now).toISOString(),
    verdict: verdictOf({ ...rest, now }),
    ...rest,
    totals: {
      nodes: facts.nodes.length,
      up: facts.nodes.filter((node) => node.state === 'up').length,
      unknown: facts.nodes.filter((node) => node.state === 'unknown').length,
      tunnels: sum(facts.regions.map((region) => region.tunnels)),
      connections: sum(facts.regions.map((region) => region.connections)),
    },
  }
}
