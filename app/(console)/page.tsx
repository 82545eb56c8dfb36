import { GameDay } from '@/components/demo/game-day.tsx'
import { RunningDrains } from '@/components/drains/running-drains.tsx'
import { FleetCharts } from '@/components/fleet/fleet-charts.tsx'
import { OnceFleetKnown } from '@/components/fleet/once-fleet-known.tsx'
import { RecentChanges } from '@/components/fleet/recent-changes.tsx'
import { Verdict } from '@/components/fleet/verdict.tsx'
import { OpenIncidents } from '@/components/incidents/open-incidents.tsx'
import { RegionCards } from '@/components/regions/region-cards.tsx'

export default function HomePage() {
  return (
    <>
      <Verdict />
      <OnceFleetKnown>
        <OpenIncidents />
        <RunningDrains />
        <RegionCards />
        <FleetCharts />
        <RecentChanges />
        <GameDay />
      </OnceFleetKnown>
    </>
  )
}
