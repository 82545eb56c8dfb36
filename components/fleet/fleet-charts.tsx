'use client'

import { useMemo } from 'react'
import { FLEET_CHARTS } from '../charts/chart-specs.ts'
import { measuredIn } from '../charts/charts-with.ts'
import { useOverview } from '../data/overview.ts'
import { Panel } from '../panels/panel.tsx'
import { RangePicker } from '../panels/range-picker.tsx'
import { ScopeCharts } from '../panels/scope-charts.tsx'
import { useCharts } from '../panels/use-charts.ts'
import { useRange } from '../panels/use-range.ts'

const FLEET = [{ scope: 'fleet', label: 'Fleet' }]

export function FleetCharts() {
  const { range, zoom } = useRange()
  const { data } = useOverview()
  const { connections, tunnels } = data?.totals ?? {}
  const specs = useCharts(FLEET_CHARTS, measuredIn(data))
  const current = useMemo(() => ({ connections, tunnels }), [connections, tunnels])
  return (
    <Panel title="Fleet" aside={<RangePicker />}>
      <ScopeCharts scopes={FLEET} specs={specs} range={range} onZoom={zoom} current={current} />
    </Panel>
  )
}
