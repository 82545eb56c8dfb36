import { RegionTable } from '@/components/regions/region-table.tsx'
import { PageHeading } from '@/components/ui/page-heading.tsx'

export default function RegionsPage() {
  return (
    <>
      <PageHeading title="Regions" />
      <RegionTable />
    </>
  )
}
