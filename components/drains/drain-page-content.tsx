'use client'

import { useDrain } from '../data/drains.ts'
import { errorText } from '../data/error-text.ts'
import { PageHeading } from '../ui/page-heading.tsx'
import { Skeleton } from '../ui/skeleton.tsx'
import { DrainActions } from './drain-actions.tsx'
import { DrainHeading } from './drain-heading.tsx'
import { mayHoldTunnels } from './drain-left.ts'
import { DrainMoves } from './drain-moves.tsx'
import { DrainReceivers } from './drain-receivers.tsx'
import { DrainReportView } from './drain-report-view.tsx'
import { DrainSteps } from './drain-steps.tsx'

/** One drain while it runs and afterwards: what is left by name, and the levers in sight. */
export function DrainPageContent({ id }: { id: string }) {
  const drain = useDrain(id)
  const { data } = drain
  if (!data)
    return drain.error ? (
      <PageHeading title="This drain cannot be shown" intro={errorText(drain.error)} />
    ) : (
      <>
        <PageHeading title="Drain" intro="Loading…" />
        <Skeleton rows={6} height={600} />
      </>
    )
  return (
    <>
      <DrainHeading drain={data} />
      <DrainActions drain={data} />
      {data.report && <DrainReportView report={data.report} />}
      <DrainSteps drain={data} query={drain} />
      {mayHoldTunnels(data) && <DrainMoves drain={data} />}
      <DrainReceivers drain={data} />
    </>
  )
}
