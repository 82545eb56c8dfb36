'use client'

import Link from 'next/link'
import { parseAsStringLiteral, useQueryState } from 'nuqs'
import { INCIDENT_STATES } from '@/server/contract/states.ts'
import { useIncidents } from '../data/incidents.ts'
import { Panel } from '../panels/panel.tsx'
import { controlClass } from '../ui/control-class.ts'
import { DataTable } from '../ui/data-table.tsx'
import { formatDuration } from '../ui/format.ts'
import { Time } from '../ui/time.tsx'
import { IncidentMark } from './incident-look.tsx'
import { timesTo } from './times-to.ts'

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
          : 'No incident so far. They open by themselves when something is wrong.')
      }
    >
      <DataTable
        label="Incidents"
        head={['State', 'What', 'Where', 'Started', 'To detect', 'To acknowledge', 'To resolve', 'Impact']}
        numeric={[4, 5, 6]}
      >
        {items.map((incident) => {
          const times = timesTo(incident)
          return (
            <tr key={incident.id}>
              <td>
                <IncidentMark incident={incident} />
              </td>
              <td className="max-w-96 truncate">
                <Link href={`/incidents/${incident.id}`} className="font-medium hover:underline">
                  {incident.title}
                </Link>
              </td>
              <td className="num text-left!">{incident.nodes.join(', ') || incident.regions.join(', ')}</td>
              <td>
                <Time at={incident.startedAt} as="full" />
              </td>
              <td className="num">{formatDuration(times.detect)}</td>
              <td className="num">{formatDuration(times.acknowledge)}</td>
              <td className="num">{formatDuration(times.resolve)}</td>
              <td className="text-soft">{incident.impact ?? '–'}</td>
            </tr>
          )
        })}
      </DataTable>
    </Panel>
  )
}
