import type { Node } from '@/server/contract/fleet.ts'
import { type ChartSpec, NODE_CHARTS } from '../charts/chart-specs.ts'

/** The numbers that tell whether a node has what a chart draws; a chart without any is about the poll itself. */
const NEEDS: Readonly<Record<string, readonly (keyof Node['numbers'])[]>> = {
  connections: ['connections'],
  tunnels: ['tunnels'],
  reconnects: ['tunnels'],
  pushes: ['pushReceived', 'pushDelivered', 'pushRejected', 'pushFailed'],
  session_invalidations: ['sessionInvalidations'],
  requests: ['requests'],
  event_loop_delay_ms: ['eventLoopDelayMs'],
}

/**
 * Charts of what the node has: one without pushes has no empty chart of pushes. Of a node that has not answered yet it is not known what
 * it has, and nothing is left out.
 */
export const chartsOf = (node: Pick<Node, 'numbers' | 'lastAnswerAt'> | undefined): readonly ChartSpec[] =>
  !node?.lastAnswerAt
    ? NODE_CHARTS
    : NODE_CHARTS.filter(({ id }) => NEEDS[id]?.some((name) => node.numbers[name] !== undefined) ?? true)
