'use client'

import { useMemo } from 'react'
import type { Measures } from '@/server/contract/answers/node.ts'
import type { Incident } from '@/server/contract/incidents.ts'
import {
  CONNECTIONS,
  INVALIDATIONS,
  LATENCY,
  PUSHES,
  RECONNECTS,
  REQUESTS,
  TUNNELS,
} from '../charts/chart-specs.ts'
import { useNode } from '../data/nodes.ts'
import { useOverview } from '../data/overview.ts'
import type { Range } from '../data/range.ts'
import { Panel } from '../panels/panel.tsx'
import { ScopeCharts } from '../panels/scope-charts.tsx'
import { useCharts } from '../panels/use-charts.ts'
import { Button } from '../ui/button.tsx'
import { useIncidentSpan } from './use-incident-span.ts'

const BEFORE_MS = 15 * 60_000
const AFTER_MS = 5 * 60_000
const MAX_CHARTS = 3

/** The most telling first; what the node or region does not measure is left out, and the next one takes its place. */
const ABOUT_PUSHES = [PUSHES, INVALIDATIONS, CONNECTIONS, REQUESTS, LATENCY]
const ABOUT_A_NODE = [TUNNELS, RECONNECTS, LATENCY, CONNECTIONS, REQUESTS]
const ABOUT_A_REGION = [TUNNELS, RECONNECTS, CONNECTIONS, REQUESTS, PUSHES]

interface IncidentChartsProps {
  incident: Incident
  instant: number | null
}

/** The charts that belong to its signals, of the node in question, from 15 min before the start. */
export function IncidentCharts(props: IncidentChartsProps) {
  const { nodes, regions } = props.incident
  const { data } = useOverview()
  const [node] = nodes
  if (node !== undefined && nodes.length === 1) return <NodesOwnCharts node={node} {...props} />
  const measures = data?.regions.find(({ id }) => id === regions[0])?.measures
  return <Charts measures={measures} {...props} />
}

function NodesOwnCharts({ node, ...props }: IncidentChartsProps & { node: string }) {
  const { data } = useNode(node)
  return <Charts measures={data?.measures} {...props} />
}

function Charts({
  incident,
  instant,
  measures,
}: IncidentChartsProps & { measures: Readonly<Measures> | undefined }) {
  const { from, to, zoom, reset } = useIncidentSpan()
  const node = incident.nodes.length === 1 ? incident.nodes[0] : undefined
  const region = incident.regions[0]
  const scope = node ? `node:${node}` : region ? `region:${region}` : 'fleet'
  const scopes = useMemo(() => [{ scope, label: scope }], [scope])
  const push = incident.signals.some((signal) => signal.kind.startsWith('push.'))
  const all = useCharts(push ? ABOUT_PUSHES : node ? ABOUT_A_NODE : ABOUT_A_REGION, measures)
  const specs = useMemo(() => all.slice(0, MAX_CHARTS), [all])
  const start = Date.parse(incident.startedAt) - BEFORE_MS
  const after = incident.resolvedAt ? Date.parse(incident.resolvedAt) + AFTER_MS : null
  // While that is still to come the charts are of now: no line has ended because it has not got there yet.
  const end = after !== null && after < Date.now() ? after : null
  const range: Range = useMemo(
    () => ({ name: 'live', from: from ?? start, to: to ?? end }),
    [from, to, start, end],
  )
  return (
    <Panel
      title={`What ${node ?? region ?? 'the fleet'} did`}
      aside={from !== null && <Button onClick={reset}>Whole incident</Button>}
    >
      <ScopeCharts
        scopes={scopes}
        specs={specs}
        range={range}
        instant={instant}
        onZoom={zoom}
        {...(node ? { node } : {})}
        {...(region ? { region } : {})}
      />
    </Panel>
  )
}
