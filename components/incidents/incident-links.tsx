import Link from 'next/link'
import type { Incident } from '@/server/contract/incidents.ts'
import { IncidentMark } from './incident-look.tsx'

/** The way from a region or node to what is open there. */
export function IncidentLinks({ incidents }: { incidents: readonly Incident[] }) {
  if (incidents.length === 0) return null
  return (
    <span className="grid gap-0.5">
      {incidents.map((incident) => (
        <span key={incident.id} className="flex flex-wrap items-baseline gap-x-3">
          <IncidentMark incident={incident} />
          <Link
            href={`/incidents/${incident.id}`}
            className="font-medium text-accent underline underline-offset-2"
          >
            {incident.title}
          </Link>
        </span>
      ))}
    </span>
  )
}
