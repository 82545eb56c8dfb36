'use client'

import Link from 'next/link'
import { parseAsStringLiteral, useQueryState } from 'nuqs'
import type { Incident } from '@/server/contract/incidents.ts'
import { INCIDENT_STATES } from '@/server/contract/states.ts'
import { useIncidents } from '../data/incidents.ts'
import { Panel } from '../panels/panel.tsx'
import { controlClass } from '../ui/control-class.ts'
import { type Column, DataTable } from '../ui/data-table.tsx'
import { formatDuration } from '../ui/format.ts'
import { Time } from '../ui/time.tsx'
import { IncidentMark } from './incident-look.tsx'
import { timesTo } from './times-to.ts'

const COLUMNS: readonly Column<Incident>[] = [
  {
    name: 'State',
    by: (incident) => incident.state,
    cell: (incident) => <IncidentMark incident={incident} />,
  },
  {
    name: 'What',
    className: 'max-w-96 truncate',
    by: (incident) => incident.title,
    cell: (incident) => (
      <Link href={`/incidents/${incident.id}`} className="font-medium hover:underline">
        {incident.title}
      </Link>
    ),
  },
  {
    name: 'Where',
    className: 'num text-left!',
    by: (incident) => incident.nodes.join(', ') || incident.regions.join(', '),
    cell: (incident) => incident.nodes.join(', ') || incident.regions.join(', '),
  },
  {
    name: 'Started',
    by: (incident) => incident.startedAt,
    cell: (incident) => <Time at={incident.startedAt} as="full" />,
  },
  {
    name: 'To detect',
    numeric: true,
    by: (incident) => timesTo(incident).detect,
    cell: (incident) => formatDuration(timesTo(incident).detect),
  },
  {
    name: 'To acknowledge',
    numeric: true,
    by: (incident) => timesTo(incident).acknowledge,
    cell: (incident) => formatDuration(timesTo(incident).acknowledge),
  },
  {
    name: 'To resolve',
    numeric: true,
    by: (incident) => timesTo(incident).resolve,
    cell: (incident) => formatDuration(timesTo(incident).resolve),
  },
  { name: 'Impact', className: 'text-soft', cell: (incident) => incident.impact ?? '–' },
]

export function IncidentList() {
  const [status, setStatus] = useQueryState('status', parseAsStringLiteral(INCIDENT_STATES))
  const incidents = useIncidents(status)
  const items = incidents.data?.items ?? []
  return (
    <Panel
      title={status ? `${status[0]?.toUpperCase()}${status.slice(1)}` : 'All incidents'}
      query={incidents}
      aside={
        <select
          data-filter
          aria-label="State"
          className={`${controlClass} w-40!`}
          value={status ?? ''}
          onChange={(event) =>
            void setStatus(INCIDENT_STATES.find((state) => state === event.target.value) ?? null)
          }
        >
          <option value="">All states</option>
          {INCIDENT_STATES.map((state) => (
            <option key={state}>{state}</option>
          ))}
        </select>
      }
      empty={
        incidents.data &&
        items.length === 0 &&
        (status
          ? `No incident is ${status}.`
          : 'No incidents so far. They open by themselves when something is wrong.')
      }
    >
      <DataTable label="Incidents" columns={COLUMNS} rows={items} rowKey={(incident) => incident.id} />
    </Panel>
  )
}
