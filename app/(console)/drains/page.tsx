import { DrainList } from '@/components/drains/drain-list.tsx'
import { NewDrainLink } from '@/components/drains/new-drain-link.tsx'
import { PageHeading } from '@/components/ui/page-heading.tsx'

export default function DrainsPage() {
  return (
    <>
      <PageHeading title="Drains" aside={<NewDrainLink />} />
      <DrainList />
    </>
  )
}
