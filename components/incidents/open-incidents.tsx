'use client'

import Link from 'next/link'
import type { Incident } from '@/server/contract/incidents.ts'
import { useOverview } from '../data/overview.ts'
import { Panel } from '../panels/panel.tsx'
import { formatDuration } from '../ui/format.ts'
import { Time } from '../ui/time.tsx'
import { AcknowledgeButton } from './acknowledge-button.tsx'
import { IncidentMark } from './incident-look.tsx'
import { quietSince, worstFirst } from './worst-first.ts'

/** The worst of them; with more, the regions would be below the screen. */
const MAX_SHOWN = 12

/** Only while there are any: what needs attention. */
export function OpenIncidents() {
  const overview = useOverview()
  const open = worstFirst(overview.data?.incidents ?? [])
  const asOf = overview.data ? Date.parse(overview.data.at) : 0
  if (open.length === 0) return null
  return (
    <Panel title="Open incidents" query={overview}>
      <ul className="grid gap-2">
        {open.slice(0, MAX_SHOWN).map((incident) => (
          <li
            key={incident.id}
            className={`flex flex-wrap items-center gap-x-4 gap-y-1 rounded-[4px] px-3 py-2 ${incident.severity === 'critical' && quietSince(incident) === null ? 'bg-down-wash' : 'bg-degraded-wash'}`}
          >
            <IncidentMark incident={incident} />
            <Link
              href={`/incidents/${incident.id}`}
              className="min-w-0 font-semibold underline-offset-2 hover:underline max-sm:basis-full sm:flex-1"
            >
              {incident.title}
            </Link>
            {incident.impact && <span className="text-soft">{incident.impact}</span>}
            <span className="text-soft">
              <Quiet incident={incident} />
              since <Time at={incident.startedAt} /> (
              <span className="num">{formatDuration(asOf - Date.parse(incident.startedAt))}</span>)
            </span>
            <AcknowledgeButton incident={incident} />
            {incident.acknowledgedBy && <span className="text-soft">{incident.acknowledgedBy} has it</span>}
          </li>
        ))}
      </ul>
      {open.length > MAX_SHOWN && (
        <p className="pt-2">
          <Link href="/incidents" className="text-accent underline underline-offset-2">
            {open.length - MAX_SHOWN} more open
          </Link>
        </p>
      )}
    </Panel>
  )
}

/** Its title says what happened; a note beside it says that it seems to be over. */
function Quiet({ incident }: { incident: Incident }) {
  const quiet = quietSince(incident)
  return quiet === null ? null : (
    <>
      quiet since <Time at={quiet} />, open{' '}
    </>
  )
}
