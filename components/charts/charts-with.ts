import type { Measures } from '@/server/contract/answers/node.ts'
import type { Node, Region } from '@/server/contract/fleet.ts'
import type { ChartSpec } from './chart-specs.ts'

/** The numbers that show whether a node has what a chart draws; a chart without any is about the poll itself. */
const NEEDS: Readonly<Record<string, Measures>> = {
  connections: ['connections'],
  tunnels: ['tunnels'],
  reconnects: ['tunnels'],
  pushes: ['pushReceived', 'pushDelivered', 'pushRejected', 'pushFailed'],
  push_received: ['pushReceived'],
  push_delivered: ['pushDelivered'],
  session_invalidations: ['sessionInvalidations'],
  tokens_pruned: ['tokensPruned'],
  requests: ['requests'],
  event_loop_delay_ms: ['eventLoopDelayMs'],
}

/** Kinds that are checked from outside: they never report a number. */
const OUTSIDE: readonly Node['kind'][] = ['http', 'tcp', 'tls']

/** What these nodes measure; undefined while that is not known, because one of them that may have numbers never answered. */
export const measuresOf = (
  measures: Readonly<Measures>,
  nodes: readonly Pick<Node, 'kind' | 'lastAnswerAt'>[],
): Readonly<Measures> | undefined => {
  const isKnown = nodes.every(({ kind, lastAnswerAt }) => lastAnswerAt !== null || OUTSIDE.includes(kind))
  return measures.length > 0 || (nodes.length > 0 && isKnown) ? measures : undefined
}

/** What a whole fleet, or one of its regions, measures. */
export const measuredIn = (
  fleet: { regions: readonly Pick<Region, 'id' | 'measures'>[]; nodes: readonly Node[] } | undefined,
  region?: string,
): Readonly<Measures> | undefined => {
  if (!fleet) return undefined
  const isMeant = (id: string): boolean => region === undefined || id === region
  return measuresOf(
    fleet.regions.filter(({ id }) => isMeant(id)).flatMap(({ measures }) => measures ?? []),
    fleet.nodes.filter((node) => isMeant(node.region)),
  )
}

/** Whether this number is among what is measured; true while that is not known. */
export const isMeasured = (measures: Readonly<Measures> | undefined, name: Measures[number]): boolean =>
  measures === undefined || measures.includes(name)

/**
 * Charts of what there is: a node without pushes gets no empty chart of pushes. What nodes have that never answered is not known, so
 * nothing is left out for them.
 */
export const chartsWith = (
  specs: readonly ChartSpec[],
  measures: Readonly<Measures> | undefined,
): readonly ChartSpec[] =>
  specs.filter(({ id }) => NEEDS[id]?.some((name) => isMeasured(measures, name)) ?? true)
