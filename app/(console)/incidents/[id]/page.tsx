import { IncidentPageContent } from '@/components/incidents/incident-page-content.tsx'
import { withSubject } from '../../with-subject.ts'

export default async function IncidentPage({ params }: { params: Promise<{ id: string }> }) {
  await withSubject()
  const { id } = await params
  return <IncidentPageContent id={id} />
}
