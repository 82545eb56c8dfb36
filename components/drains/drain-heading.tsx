import Link from 'next/link'
import type { Drain } from '@/server/contract/drains.ts'
import { PageHeading } from '../ui/page-heading.tsx'
import { Time } from '../ui/time.tsx'
import { DrainMark, subjectOf } from './drain-look.tsx'
import { drainSentence } from './drain-sentence.ts'

export function DrainHeading({ drain }: { drain: Drain }) {
  const subject = subjectOf(drain)
  return (
    <PageHeading
      title={
        <>
          Drain of{' '}
          <Link
            href={drain.region ? `/regions/${drain.region}` : `/nodes/${drain.node}`}
            className="num hover:underline"
          >
            {subject}
          </Link>
        </>
      }
      intro={
        <span className="grid gap-1">
          <strong className="font-semibold text-base text-ink" role="status">
            {drainSentence(drain)}
          </strong>
          <span className="flex flex-wrap items-center gap-x-4 gap-y-1">
            <DrainMark state={drain.state} />
            <span>{drain.reason}</span>
            <span className="text-faint">
              {drain.createdBy} started it <Time at={drain.createdAt} as="ago" />
              {drain.updatedBy !== drain.createdBy && <> · last changed by {drain.updatedBy}</>}
            </span>
          </span>
          {drain.note && <strong className="font-medium text-degraded">{drain.note}</strong>}
        </span>
      }
    />
  )
}
