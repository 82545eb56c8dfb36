import type { Facts } from '../../../server/collector/adapters/facts.ts'
import type { FleetView, LookContext, NodeView, SignalRule } from '../../../server/collector/signals/rule.ts'
import type { EventType, FleetEvent } from '../../../server/contract/index.ts'

/** A fleet that says what a test wants. */
export interface ScriptedView {
  nodes?: readonly Partial<NodeView>[]
  unreachableSince?: number | null
  registered?: readonly string[]
  /** Who was in maintenance, and when. */
  inMaintenance?: FleetView['inMaintenance']
}

export const scriptedView = (script: ScriptedView = {}): FleetView => {
  const nodes = (script.nodes ?? [{ id: 'fra-1' }]).map(
    (node): NodeView => ({
      id: 'fra-1',
      region: (node.id ?? 'fra-1').slice(0, 3),
      state: 'up',
      problems: [],
      downSince: null,
      away: false,
      draining: false,
      mayRestart: false,
      outcome: 'ok',
      clockSkewMs: 0,
      place: 'http://fra-1',
      drained: false,
      step: null,
      ...node,
    }),
  )
  return {
    regions: () => [...new Set(nodes.map((node) => node.region))],
    nodes: () => nodes,
    node: (id) => nodes.find((node) => node.id === id) ?? null,
    nodesOf: (region) => nodes.filter((node) => node.region === region),
    unreachableSince: () => script.unreachableSince ?? null,
    inMaintenance: script.inMaintenance ?? (() => false),
    registeredHosts: () => new Set(script.registered ?? []),
  }
}

/** The context of a look at a rule's first scope, with its default thresholds. */
export const lookAt = <Rule extends SignalRule>(
  rule: Rule,
  fleet: FleetView,
  more: Partial<LookContext<unknown>> = {},
) => {
  const scope = rule.scopes(fleet)[0]
  if (!scope) throw new Error(`${rule.kind} has no scope here`)
  return {
    scope,
    thresholds: rule.thresholds.parse({}),
    fleet,
    open: null,
    now: 0,
    ...more,
  } as Parameters<Rule['verdict']>[1]
}

export const factsWith = (more: Partial<Facts> = {}): Facts => ({
  ok: true,
  problems: [],
  version: '1',
  epoch: 'run1',
  uptimeMs: 1_000,
  newestSeq: null,
  gauges: {},
  counters: {},
  listeners: [],
  lastDeliveryAt: null,
  drain: null,
  ...more,
})

let ids = 0
export const eventOf = (
  type: EventType,
  at: number,
  data: FleetEvent['data'],
  node = 'fra-1',
): FleetEvent => {
  ids += 1
  return {
    id: ids,
    source: 'node',
    epoch: 'run1',
    seq: ids,
    node,
    region: node.slice(0, 3),
    type,
    at: new Date(at).toISOString(),
    receivedAt: new Date(at + 20).toISOString(),
    data,
  }
}
