'use client'

import Link from 'next/link'
import { memo } from 'react'
import { eventDetail, eventSentence } from '@/server/contract/event-sentence.ts'
import type { FleetEvent } from '@/server/contract/events.ts'
import { Time } from '../ui/time.tsx'
import { EventGlyph } from './event-glyph.tsx'

/** One event on one line: when, where, what. */
export const EventRow = memo(function EventRow({
  event,
  alike = 0,
  fixed = false,
}: {
  event: FleetEvent
  alike?: number
  /** One height for all, in a list whose rows change their contents instead of moving. */
  fixed?: boolean
}) {
  const incident = typeof event.data.incidentId === 'string' ? event.data.incidentId : null
  const drain =
    event.type.startsWith('drain.') && typeof event.data.drainId === 'string' ? event.data.drainId : null
  const sentence = eventSentence(event)
  const detail = eventDetail(event)
  return (
    <li
      className={`grid grid-cols-[auto_auto_minmax(0,1fr)] items-baseline gap-x-3 border-hairline border-t py-1.5 sm:grid-cols-[5rem_1rem_6rem_13rem_minmax(0,1fr)] ${fixed ? 'h-14 overflow-hidden [contain-intrinsic-height:2rem] [content-visibility:auto] sm:h-8' : ''}`}
      data-event={event.type}
    >
      <span className="text-faint">
        <Time at={event.at} />
      </span>
      <EventGlyph type={event.type} />
      <span className="num truncate">
        {event.node ? (
          <Link prefetch={false} href={`/nodes/${event.node}`} className="hover:underline">
            {event.node}
          </Link>
        ) : (
          (event.region ?? 'fleet')
        )}
        <span className="ml-2 text-faint sm:hidden">{event.type}</span>
      </span>
      <span className="num truncate text-soft max-sm:hidden">{event.type}</span>
      <span
        className={`min-w-0 max-sm:col-span-3 ${fixed ? 'truncate' : 'break-words'}`}
        {...(fixed ? { title: detail ? `${sentence}, ${detail}` : sentence } : {})}
      >
        {sentence}
        {detail && <span className="text-soft">, {detail}</span>}
        {alike > 0 && <span className="text-faint"> and {alike} more before</span>}
        {incident && (
          <Link
            prefetch={false}
            href={`/incidents/${incident}`}
            className="ml-2 text-accent underline underline-offset-2"
          >
            incident
          </Link>
        )}
        {drain && event.data.scope !== 'node' && (
          <Link
            prefetch={false}
            href={`/drains/${drain}`}
            className="ml-2 text-accent underline underline-offset-2"
          >
            drain
          </Link>
        )}
      </span>
    </li>
  )
})
