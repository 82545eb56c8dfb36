'use client'

import Link from 'next/link'
import { usePathname } from 'next/navigation'
import type { Incident } from '@/server/contract/incidents.ts'
import { useExpected } from '../data/expected.ts'
import { useKnown } from '../data/known.ts'
import { useOverview } from '../data/overview.ts'
import { formatDuration } from '../ui/format.ts'
import { StateGlyph } from '../ui/state-glyph.tsx'
import { Time } from '../ui/time.tsx'
import { AcknowledgeButton } from './acknowledge-button.tsx'
import { quietSince, worstFirst } from './worst-first.ts'

/** One row, two on a phone, so that nothing below it moves when it or its button appears. */
const HEIGHT = 'min-h-[77px] sm:min-h-[37px]'

/** What is open, on every page: one line, the worst first. Left out where the page shows it anyway. */
export function IncidentLine() {
  const { data } = useOverview()
  const path = usePathname()
  const open = worstFirst(data?.incidents ?? [])
  const shown = open.find((incident) => path !== `/incidents/${incident.id}`)
  const { openIncidents } = useExpected()
  if (path === '/') return null
  if (!data) {
    // The page of an incident has no line of its own.
    const isExpected = openIncidents > (path.startsWith('/incidents/') ? 1 : 0)
    return isExpected && <div aria-hidden="true" className={`border-b border-hairline ${HEIGHT}`} />
  }
  if (!shown) return null
  return <Line incident={shown} more={open.length - 1} asOf={Date.parse(data.at)} />
}

function Line({ incident, more, asOf }: { incident: Incident; more: number; asOf: number }) {
  const { known } = useKnown()
  const quiet = quietSince(incident)
  const lasted = formatDuration(asOf - Date.parse(incident.startedAt))
  const critical = incident.severity === 'critical' && quiet === null
  return (
    <section
      aria-label="Open incident"
      data-incident-line={incident.id}
      className={`border-b ${HEIGHT} ${critical ? 'border-down bg-down-wash' : 'border-degraded bg-degraded-wash'}`}
    >
      <div className="mx-auto flex max-w-[1440px] flex-wrap items-center gap-x-3 gap-y-1 px-4 py-0.5 sm:px-6">
        <span
          className={`flex min-w-0 items-baseline gap-2 max-sm:basis-full ${critical ? 'text-down' : 'text-degraded'}`}
        >
          <StateGlyph shape={known ? (critical ? 'down' : 'degraded') : 'unknown'} />
          <Link
            href={`/incidents/${incident.id}`}
            className="min-w-0 truncate py-1 font-semibold underline-offset-2 hover:underline"
          >
            {incident.title}
          </Link>
        </span>
        <span className="min-w-0 truncate text-soft max-sm:flex-1">
          {quiet !== null && (
            <>
              quiet since <Time at={quiet} />, open{' '}
            </>
          )}
          {/* On a phone there is room for one of the two. */}
          <span className="max-sm:hidden">
            since <Time at={incident.startedAt} /> (<span className="num">{lasted}</span>)
          </span>
          <span className="sm:hidden">
            for <span className="num">{lasted}</span>
          </span>
        </span>
        <span className="ml-auto flex flex-none items-center gap-3">
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
