'use client'

import Link from 'next/link'
import { useKnown } from '../data/known.ts'
import { useMe } from '../data/me.ts'
import { DrainLink } from '../drains/drain-link.tsx'
import { HeldParts } from '../drains/held-parts.tsx'
import { IncidentLinks } from '../incidents/incident-links.tsx'
import { concerning } from '../incidents/worst-first.ts'
import { MaintenanceLink } from '../maintenance/maintenance-link.tsx'
import { MaintenanceMark } from '../maintenance/maintenance-mark.tsx'
import { plural } from '../ui/format.ts'
import { PageHeading } from '../ui/page-heading.tsx'
import { StateMark } from '../ui/state-mark.tsx'
import { useRegion } from './use-region.ts'

export function RegionHeading({ region: id }: { region: string }) {
  const { overview, region, drain } = useRegion(id)
  const { known } = useKnown()
  const me = useMe()
  if (overview.data && !region)
    return (
      <PageHeading
        title={`There is no region ${id}`}
        intro={`Known regions: ${overview.data.regions.map((known) => known.id).join(', ')}.`}
      />
    )
  const held = (overview.data?.held ?? []).filter((part) => part.region === id)
  return (
    <>
      <PageHeading
        title={
          <>
            {region?.name ?? id} <span className="num font-normal text-faint text-lg">{id}</span>
          </>
        }
        intro={
          <span className="grid min-h-5 gap-1">
            {region && (
              <span
                className="flex flex-wrap items-center gap-x-4 gap-y-1"
                data-known={known ? undefined : 'no'}
              >
                <StateMark state={region.state} words={region.words} />
                <span>
                  {region.up} of {region.nodes} up
                </span>
                {region.tunnels !== null && <span>{plural(region.tunnels, 'tunnel')}</span>}
                {region.connections !== null && <span>{plural(region.connections, 'connection')}</span>}
                {drain && (
                  <Link href={`/drains/${drain.id}`} className="text-accent underline underline-offset-2">
                    Drain {drain.state}: {drain.reason}
                  </Link>
                )}
              </span>
            )}
            <MaintenanceMark mark={region?.maintenance} />
            <IncidentLinks incidents={concerning(overview.data?.incidents ?? [], { region: id })} />
          </span>
        }
        awaits={!region || me.isPending}
        aside={
          region && (
            <>
              <MaintenanceLink subject="region" id={id} />
              <DrainLink subject="region" id={id} active={drain?.id} />
            </>
          )
        }
      />
      <HeldParts parts={held} />
    </>
  )
}
