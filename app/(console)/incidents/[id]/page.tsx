import { IncidentPageContent } from '@/components/incidents/incident-page-content.tsx'

export default async function IncidentPage({ params }: { params: Promise<{ id: string }> }) {
  const { id } = await params
  return <IncidentPageContent id={id} />
}
