import { OnceFleetKnown } from '@/components/fleet/once-fleet-known.tsx'
import { RegionCharts } from '@/components/regions/region-charts.tsx'
import { RegionHeading } from '@/components/regions/region-heading.tsx'
import { RegionNodes } from '@/components/regions/region-nodes.tsx'
import { RegionTunnels } from '@/components/regions/region-tunnels.tsx'
import { withSubject } from '../../with-subject.ts'

export default async function RegionPage({ params }: { params: Promise<{ region: string }> }) {
  await withSubject()
  const { region } = await params
  return (
    <>
      <RegionHeading region={region} />
      <OnceFleetKnown>
        <RegionNodes region={region} />
        <RegionCharts region={region} />
        <RegionTunnels region={region} />
      </OnceFleetKnown>
    </>
  )
}
