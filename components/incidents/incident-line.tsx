'use client'

import Link from 'next/link'
import { usePathname } from 'next/navigation'
import type { Incident } from '@/server/contract/incidents.ts'
import { useKnown } from '../data/known.ts'
import { useOverview } from '../data/overview.ts'
import { formatDuration } from '../ui/format.ts'
import { StateGlyph } from '../ui/state-glyph.tsx'
import { Time } from '../ui/time.tsx'
import { AcknowledgeButton } from './acknowledge-button.tsx'
import { quietSince, worstFirst } from './worst-first.ts'

/** What is open, on every page: one line, the worst first. Where the page shows it anyway, the line would only repeat it. */
export function IncidentLine() {
  const { data } = useOverview()
  const path = usePathname()
  const open = worstFirst(data?.incidents ?? [])
  const shown = open.find((incident) => path !== `/incidents/${incident.id}`)
  if (!data || !shown || path === '/') return null
  return <Line incident={shown} more={open.length - 1} asOf={Date.parse(data.at)} />
}

function Line({ incident, more, asOf }: { incident: Incident; more: number; asOf: number }) {
  const { known } = useKnown()
  const quiet = quietSince(incident)
  const critical = incident.severity === 'critical' && quiet === null
  return (
    <section
      aria-label="Open incident"
      data-incident-line={incident.id}
      className={`border-b ${critical ? 'border-down bg-down-wash' : 'border-degraded bg-degraded-wash'}`}
    >
      <div className="mx-auto flex max-w-[1440px] flex-wrap items-center gap-x-3 gap-y-1 px-4 py-0.5 sm:px-6">
        <span className={`flex min-w-0 items-baseline gap-2 ${critical ? 'text-down' : 'text-degraded'}`}>
          <StateGlyph shape={known ? (critical ? 'down' : 'degraded') : 'unknown'} />
          <Link
            href={`/incidents/${incident.id}`}
            className="min-w-0 py-1 font-semibold underline-offset-2 hover:underline"
          >
            {incident.title}
          </Link>
        </span>
        <span className="text-soft">
          {quiet !== null && (
            <>
              quiet since <Time at={quiet} />, open{' '}
            </>
          )}
          since <Time at={incident.startedAt} /> (
          <span className="num">{formatDuration(asOf - Date.parse(incident.startedAt))}</span>)
        </span>
        <span className="ml-auto flex items-center gap-3">
          {more > 0 && (
            <Link href="/incidents" className="text-accent underline underline-offset-2">
              {more} more open
            </Link>
          )}
          {incident.state !== 'open' && (
            <span className="text-soft">
              {incident.acknowledgedBy ? `${incident.acknowledgedBy} has it` : incident.state}
            </span>
          )}
          <AcknowledgeButton incident={incident} />
          <Link
            href={`/incidents/${incident.id}`}
            className="py-1 font-medium text-accent underline underline-offset-2"
          >
            Open<span className="sr-only"> {incident.title}</span>
          </Link>
        </span>
      </div>
    </section>
  )
}
