import { IncidentList } from '@/components/incidents/incident-list.tsx'
import { PageHeading } from '@/components/ui/page-heading.tsx'

export default function IncidentsPage() {
  return (
    <>
      <PageHeading title="Incidents" />
      <IncidentList />
    </>
  )
}
