'use client'

import Link from 'next/link'
import type { Node } from '@/server/contract/fleet.ts'
import { ApiError } from '../data/http.ts'
import { useKnown } from '../data/known.ts'
import { useMe } from '../data/me.ts'
import { useNode } from '../data/nodes.ts'
import { useOverview } from '../data/overview.ts'
import { DrainLink } from '../drains/drain-link.tsx'
import { HeldParts } from '../drains/held-parts.tsx'
import { IncidentLinks } from '../incidents/incident-links.tsx'
import { concerning } from '../incidents/worst-first.ts'
import { MaintenanceLink } from '../maintenance/maintenance-link.tsx'
import { MaintenanceMark } from '../maintenance/maintenance-mark.tsx'
import { formatDuration } from '../ui/format.ts'
import { PageHeading } from '../ui/page-heading.tsx'
import { StateMark } from '../ui/state-mark.tsx'
import { Time } from '../ui/time.tsx'

const STREAM = {
  live: 'events stream live',
  connecting: 'event stream reconnecting',
  none: 'no event stream',
} as const

export function NodeHeading({ node: id }: { node: string }) {
  const { data: node, error } = useNode(id)
  const { data: overview } = useOverview()
  const { known } = useKnown()
  const me = useMe()
  if (error instanceof ApiError && error.status === 404)
    return (
      <PageHeading
        title={`There is no node ${id}`}
        intro="It may have been taken out of the configuration."
      />
    )
  const held = (overview?.held ?? []).filter((part) => part.node === id || part.nodes.includes(id))
  return (
    <>
      <PageHeading
        title={<span className="num">{id}</span>}
        intro={
          <span className="grid min-h-11 content-start gap-1">
            {node && (
              <>
                <span className="flex flex-wrap items-center gap-x-4 gap-y-1">
                  <StateMark state={node.state} />
                  <span>
                    for <Time at={node.since} as="for" />
                  </span>
                  <Link href={`/regions/${node.region}`} className="text-accent underline underline-offset-2">
                    {node.region}
                  </Link>
                  <span>
                    {node.kind}
                    {node.embedded && ', embedded'}{' '}
                    {node.version && <span className="num">{node.version}</span>}
                  </span>
                </span>
                <span className="text-faint">
                  <Polled node={node} />
                  {known && ` · ${STREAM[node.streamState]}`}
                  {node.clockSkewMs !== null && Math.abs(node.clockSkewMs) > 1000 && (
                    <>
                      {' '}
                      · its clock is {formatDuration(Math.abs(node.clockSkewMs))}{' '}
                      {node.clockSkewMs > 0 ? 'ahead' : 'behind'}
                    </>
                  )}
                </span>
                <MaintenanceMark mark={node.maintenance} />
                {node.problems.map((problem) => (
                  <strong key={problem} className="font-medium text-degraded">
                    {problem}
                  </strong>
                ))}
              </>
            )}
            <IncidentLinks incidents={concerning(overview?.incidents ?? [], { node: id })} />
          </span>
        }
        awaits={!node || me.isPending}
        aside={
          node && (
            <>
              <MaintenanceLink subject="node" id={id} />
              {node.drains === null || node.drains.hindrance !== null ? (
                <span className="max-w-prose text-faint">
                  {node.drains?.hindrance ??
                    'Nothing can drain this node: its entry has no drain webhook, and its kind no verb of its own.'}
                </span>
              ) : (
                <DrainLink subject="node" id={id} />
              )}
            </>
          )
        }
      />
      <HeldParts parts={held} />
    </>
  )
}

/** When it was asked, and when it answered: for a node that refuses, these are two moments. */
function Polled({ node }: { node: Node }) {
  if (node.lastOutcome === 'ok' || node.lastPollAt === null)
    return (
      <>
        Polled <Time at={node.lastPollAt} as="ago" />
        {node.latencyMs !== null && <> in {formatDuration(node.latencyMs)}</>}
      </>
    )
  return (
    <>
      Asked <Time at={node.lastPollAt} as="ago" /> without an answer ({node.lastOutcome}), answered last{' '}
      {node.lastAnswerAt ? (
        <>
          <Time at={node.lastAnswerAt} /> (<Time at={node.lastAnswerAt} as="ago" />)
        </>
      ) : (
        'never'
      )}
    </>
  )
}
