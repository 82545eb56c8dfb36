'use client'

import Link from 'next/link'
import { useMemo } from 'react'
import { useEvents } from '../data/events.ts'
import { EventRow } from '../events/event-row.tsx'
import { Panel } from '../panels/panel.tsx'

export function NodeEvents({ node }: { node: string }) {
  const filter = useMemo(() => ({ node }), [node])
  const events = useEvents(filter, 50)
  const items = events.data?.items ?? []
  return (
    <Panel
      title="Events"
      query={events}
      aside={
        <Link href={`/events?node=${node}`} className="text-accent underline underline-offset-2">
          All its events
        </Link>
      }
      empty={events.data && items.length === 0 && 'No event yet.'}
    >
      <ul className="grid">
        {items.slice(0, 15).map((event) => (
          <EventRow key={event.id} event={event} />
        ))}
      </ul>
    </Panel>
  )
}
