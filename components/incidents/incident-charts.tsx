'use client'

import { useMemo } from 'react'
import type { Incident } from '@/server/contract/incidents.ts'
import { CONNECTIONS, INVALIDATIONS, LATENCY, PUSHES, RECONNECTS, TUNNELS } from '../charts/chart-specs.ts'
import type { Range } from '../data/range.ts'
import { Panel } from '../panels/panel.tsx'
import { ScopeCharts } from '../panels/scope-charts.tsx'
import { Button } from '../ui/button.tsx'
import { useIncidentSpan } from './use-incident-span.ts'

const BEFORE_MS = 15 * 60_000
const AFTER_MS = 5 * 60_000

/** The charts that belong to its signals, of the node in question, from 15 min before the start. */
export function IncidentCharts({ incident, instant }: { incident: Incident; instant: number | null }) {
  const { from, to, zoom, reset } = useIncidentSpan()
  const node = incident.nodes.length === 1 ? incident.nodes[0] : undefined
  const region = incident.regions[0]
  const scope = node ? `node:${node}` : region ? `region:${region}` : 'fleet'
  const scopes = useMemo(() => [{ scope, label: scope }], [scope])
  const push = incident.signals.some((signal) => signal.kind.startsWith('push.'))
  const specs = useMemo(
    () => (push ? [PUSHES, INVALIDATIONS, CONNECTIONS] : [TUNNELS, RECONNECTS, node ? LATENCY : CONNECTIONS]),
    [push, node],
  )
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
