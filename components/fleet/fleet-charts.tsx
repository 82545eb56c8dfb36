'use client'

import { useMemo } from 'react'
import { FLEET_CHARTS } from '../charts/chart-specs.ts'
import { RangePicker } from '../charts/range-picker.tsx'
import { ScopeCharts } from '../charts/scope-charts.tsx'
import { useRange } from '../charts/use-range.ts'
import { useOverview } from '../queries/overview.ts'
import { Panel } from '../ui/panel.tsx'

const FLEET = [{ scope: 'fleet', label: 'Fleet' }]

export function FleetCharts() {
  const { range, zoom } = useRange()
  const { data } = useOverview()
  const { connections, tunnels } = data?.totals ?? {}
  const current = useMemo(() => ({ connections, tunnels }), [connections, tunnels])
  return (
    <Panel title="Fleet" aside={<RangePicker />}>
      <ScopeCharts scopes={FLEET} specs={FLEET_CHARTS} range={range} onZoom={zoom} current={current} />
    </Panel>
  )
}
