'use client'

import Link from 'next/link'
import { DrainLink } from '../drains/drain-link.tsx'
import { ApiError } from '../queries/http.ts'
import { useNode } from '../queries/nodes.ts'
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
  if (error instanceof ApiError && error.status === 404)
    return (
      <PageHeading
        title={`There is no node ${id}`}
        intro="It may have been taken out of the configuration."
      />
    )
  return (
    <PageHeading
      title={<span className="num">{id}</span>}
      intro={
        node && (
          <span className="grid gap-1">
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
                {node.embedded && ', embedded'} {node.version && <span className="num">{node.version}</span>}
              </span>
            </span>
            <span className="text-faint">
              Polled <Time at={node.lastPollAt} as="ago" />
              {node.latencyMs !== null && <> in {formatDuration(node.latencyMs)}</>} ·{' '}
              {STREAM[node.streamState]}
              {node.clockSkewMs !== null && Math.abs(node.clockSkewMs) > 1000 && (
                <>
                  {' '}
                  · its clock is {formatDuration(Math.abs(node.clockSkewMs))}{' '}
                  {node.clockSkewMs > 0 ? 'ahead' : 'behind'}
                </>
              )}
            </span>
            {node.problems.map((problem) => (
              <strong key={problem} className="font-medium text-degraded">
                {problem}
              </strong>
            ))}
          </span>
        )
      }
      aside={node && <DrainLink subject="node" id={id} />}
    />
  )
}
