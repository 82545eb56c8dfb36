import Link from 'next/link'
import type { Incident } from '@/server/contract/incidents.ts'
import { PageHeading } from '../ui/page-heading.tsx'
import { IncidentMark } from './incident-look.tsx'

/** What, how bad, where, and who has it. */
export function IncidentHeading({ incident }: { incident: Incident }) {
  return (
    <PageHeading
      title={incident.title}
      intro={
        <span className="grid gap-1">
          {incident.impact && (
            <strong className="font-semibold text-base text-ink" data-impact>
              {incident.impact}
            </strong>
          )}
          <span className="flex flex-wrap items-center gap-x-4 gap-y-1">
            <IncidentMark incident={incident} />
            {incident.nodes.map((node) => (
              <Link
                key={node}
                href={`/nodes/${node}`}
                className="num text-accent underline underline-offset-2"
              >
                {node}
              </Link>
            ))}
            {incident.regions.map((region) => (
              <Link
                key={region}
                href={`/regions/${region}`}
                className="num text-accent underline underline-offset-2"
              >
                {region}
              </Link>
            ))}
            {incident.acknowledgedBy && <span>{incident.acknowledgedBy} has it</span>}
            {incident.drains.map((drain) => (
              <Link
                key={drain}
                href={`/drains/${drain}`}
                className="text-accent underline underline-offset-2"
              >
                related drain
              </Link>
            ))}
          </span>
        </span>
      }
    />
  )
}
