'use client'

import Link from 'next/link'
import type { Drain } from '@/server/contract/drains.ts'
import { useNow } from '../data/clock.ts'
import { useOverview } from '../data/overview.ts'
import { Panel } from '../panels/panel.tsx'
import { Time } from '../ui/time.tsx'
import { doneWords, leftOf, leftWords } from './drain-left.ts'
import { DrainMark, subjectOf } from './drain-look.tsx'
import { HeldParts } from './held-parts.tsx'
import { drainsAtHand, isForgotten } from './held-words.ts'

/** Only while there are any: what is out of service, and what is left to move. */
export function RunningDrains() {
  const overview = useOverview()
  const { underWay, held } = drainsAtHand(overview.data ?? { drains: [], held: [] })
  if (underWay.length + held.length === 0) return null
  const title =
    underWay.length === 0
      ? 'Held out of service'
      : held.length === 0
        ? 'Drains under way'
        : 'Drains under way, and what is held'
  return (
    <Panel title={title} query={overview}>
      <div className="grid gap-2">
        <HeldParts parts={held} />
        <ul className="grid gap-2">
          {underWay.map((drain) => (
            <Row key={drain.id} drain={drain} />
          ))}
        </ul>
      </div>
    </Panel>
  )
}

function Row({ drain }: { drain: Drain }) {
  const now = useNow()
  const left = leftOf(drain)
  const forgotten = drain.state === 'drained' && isForgotten({ since: drain.updatedAt }, now)
  return (
    <li className="flex flex-wrap items-baseline gap-x-4 gap-y-1 rounded-[4px] bg-draining-wash px-3 py-2">
      <DrainMark state={drain.state} />
      <Link href={`/drains/${drain.id}`} className="font-semibold underline-offset-2 hover:underline">
        <span className="num">{subjectOf(drain)}</span>: {drain.reason}
      </Link>
      <span className="text-soft">
        {doneWords(drain)}
        {left && drain.state !== 'drained' && <>, {leftWords(drain, left)} left</>}
      </span>
      <span className="text-soft">
        by {drain.createdBy}, <Time at={drain.createdAt} as="ago" />
      </span>
      {forgotten && (
        <strong className="text-degraded">Still out of service: resume it, or say why not.</strong>
      )}
    </li>
  )
}
