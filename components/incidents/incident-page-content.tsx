'use client'

import { useState } from 'react'
import { errorText } from '../data/error-text.ts'
import { useIncident } from '../data/incidents.ts'
import { PageHeading } from '../ui/page-heading.tsx'
import { Skeleton } from '../ui/skeleton.tsx'
import { IncidentActions } from './incident-actions.tsx'
import { IncidentCharts } from './incident-charts.tsx'
import { IncidentHeading } from './incident-heading.tsx'
import { IncidentMilestones } from './incident-milestones.tsx'
import { IncidentTimeline } from './incident-timeline.tsx'
import { NoteForm } from './note-form.tsx'

/** One incident, from its impact to its evidence. A row that is pointed at marks its instant on the charts. */
export function IncidentPageContent({ id }: { id: string }) {
  const { data: incident, error } = useIncident(id)
  const [instant, setInstant] = useState<number | null>(null)
  if (!incident)
    return error ? (
      <PageHeading title="This incident cannot be shown" intro={errorText(error)} />
    ) : (
      <>
        <PageHeading title="Incident" intro="Loading…" />
        <Skeleton rows={6} height={600} />
      </>
    )
  return (
    <>
      <IncidentHeading incident={incident} />
      <IncidentActions incident={incident} />
      <IncidentMilestones incident={incident} />
      <IncidentCharts incident={incident} instant={instant} />
      <NoteForm incident={incident} />
      <IncidentTimeline incident={incident} onInstant={setInstant} />
    </>
  )
}
