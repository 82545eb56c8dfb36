'use client'

import Link from 'next/link'
import { useMemo } from 'react'
import { useNow } from '../data/clock.ts'
import { useEvents } from '../data/events.ts'
import { EventRow } from '../events/event-row.tsx'
import { foldRuns } from '../events/fold-runs.ts'
import { Panel } from '../panels/panel.tsx'

/** What people would call a change; the rest is in the events. */
const CHANGES = [
  'node.started',
  'node.state_changed',
  'node.down',
  'node.recovered',
  'region.unreachable',
  'incident.*',
  'signal.*',
  'drain.planned',
  'drain.completed',
  'drain.aborted',
  'drain.resumed',
  'push.session_invalidated',
  'operator.acted',
] as const
const HOUR_MS = 3_600_000
const FILTER = { types: CHANGES }
const SHOWN = 12

export function RecentChanges() {
  const events = useEvents(FILTER, 100)
  const now = useNow()
  const recent = useMemo(
    () => (events.data?.items ?? []).filter((event) => now - Date.parse(event.receivedAt) < HOUR_MS),
    [events.data, now],
  )
  const runs = useMemo(() => foldRuns(recent), [recent])
  return (
    <Panel
      title="Changes in the last hour"
      query={events}
      aside={
        <Link href="/events" className="text-accent underline underline-offset-2">
          All events
        </Link>
      }
      empty={recent.length === 0 && now > 0 && 'Nothing changed in the last hour.'}
    >
      <ul className="grid">
        {runs.slice(0, SHOWN).map((run) => (
          <EventRow key={run.event.id} event={run.event} alike={run.alike} />
        ))}
      </ul>
      {runs.length > SHOWN && <p className="pt-2 text-faint">See all events for the rest.</p>}
    </Panel>
  )
}
