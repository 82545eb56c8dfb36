'use client'

import { Pause, Play } from 'lucide-react'
import { parseAsString, useQueryStates } from 'nuqs'
import { useDeferredValue, useEffect, useMemo, useRef, useState } from 'react'
import type { FleetEvent } from '@/server/contract/events.ts'
import type { EventList } from '../data/apply-event.ts'
import { useNow } from '../data/clock.ts'
import { useEvents } from '../data/events.ts'
import { useOverview } from '../data/overview.ts'
import { Panel } from '../panels/panel.tsx'
import { Button } from '../ui/button.tsx'
import { controlClass } from '../ui/control-class.ts'
import { formatNumber } from '../ui/format.ts'
import { EventRow } from './event-row.tsx'

const KINDS = [
  'tunnel.*',
  'push.*',
  'drain.*',
  'incident.*',
  'signal.*',
  'node.*',
  'connection.*',
  'operator.*',
]
const NO_EVENTS: readonly FleetEvent[] = []
const RATE_MS = 60_000
/** Scrolled further down than this, in px, somebody is reading and not watching. */
const SCROLLED_PX = 160
const SHOWN = 120
const select = `${controlClass} sm:w-40`

/** The fleet's events as they come, newest on top. Pausing keeps what is on screen; what comes meanwhile is counted. */
export function EventTail() {
  const [filter, setFilter] = useQueryStates({
    type: parseAsString,
    region: parseAsString,
    node: parseAsString,
    q: parseAsString,
  })
  const query = useMemo(
    () => ({
      types: filter.type ? [filter.type] : [],
      region: filter.region,
      node: filter.node,
      text: filter.q,
    }),
    [filter],
  )
  const events = useEvents(query, 200)
  const { data: overview } = useOverview()
  const now = useNow()
  const [held, setHeld] = useState<EventList | null>(null)
  const [resting, setResting] = useState<EventList | null>(null)
  const paused = held !== null
  const fresh = events.data?.items ?? NO_EVENTS
  // Nothing moves under the pointer, nor under the eyes of somebody who has scrolled down to read.
  const kept = held ?? resting
  // A burst is drawn once, not once an event.
  const shown = kept?.items ?? fresh
  const items = useDeferredValue(useMemo(() => shown.slice(0, SHOWN), [shown]))
  const waiting = kept ? fresh.filter((event) => event.id > (kept.items[0]?.id ?? 0)).length : 0
  const rest = () => setResting((known) => known ?? events.data ?? null)
  const recent = fresh.filter((event) => now - Date.parse(event.receivedAt) < RATE_MS).length

  const { data } = events
  useEffect(() => {
    const follow = () =>
      setResting((known) => (window.scrollY < SCROLLED_PX ? null : (known ?? data ?? null)))
    window.addEventListener('scroll', follow, { passive: true })
    return () => window.removeEventListener('scroll', follow)
  }, [data])

  // Another filter is another question: what was held back belongs to the old one.
  const last = useRef(query)
  useEffect(() => {
    if (last.current !== query) {
      setHeld(null)
      setResting(null)
    }
    last.current = query
  }, [query])

  return (
    <>
      <div className="grid grid-cols-2 gap-2 sm:flex sm:flex-wrap sm:items-center">
        <select
          aria-label="Kind"
          className={select}
          value={filter.type ?? ''}
          onChange={(event) => void setFilter({ type: event.target.value || null })}
        >
          <option value="">All kinds</option>
          {KINDS.map((kind) => (
            <option key={kind} value={kind}>
              {kind}
            </option>
          ))}
          {filter.type && !KINDS.includes(filter.type) && <option value={filter.type}>{filter.type}</option>}
        </select>
        <select
          aria-label="Region"
          className={select}
          value={filter.region ?? ''}
          onChange={(event) => void setFilter({ region: event.target.value || null })}
        >
          <option value="">All regions</option>
          {overview?.regions.map((region) => (
            <option key={region.id}>{region.id}</option>
          ))}
        </select>
        <select
          aria-label="Node"
          className={select}
          value={filter.node ?? ''}
          onChange={(event) => void setFilter({ node: event.target.value || null })}
        >
          <option value="">All nodes</option>
          {overview?.nodes.map((node) => (
            <option key={node.id}>{node.id}</option>
          ))}
        </select>
        <input
          data-filter
          type="search"
          aria-label="Text in events"
          placeholder="Text  /"
          className={`${controlClass} sm:w-48`}
          value={filter.q ?? ''}
          onChange={(event) => void setFilter({ q: event.target.value || null }, { throttleMs: 300 })}
        />
        <Button
          className="max-sm:col-span-2 sm:ml-auto"
          onClick={() => setHeld(paused ? null : (events.data ?? { items: [], nextCursor: null }))}
          aria-pressed={paused}
        >
          {paused ? <Play size={14} aria-hidden /> : <Pause size={14} aria-hidden />}
          {paused ? `Resume${waiting > 0 ? ` (${formatNumber(waiting)} new)` : ''}` : 'Pause'}
        </Button>
      </div>
      <Panel
        title={
          paused
            ? 'Paused'
            : resting
              ? `Held while you read${waiting > 0 ? `, ${formatNumber(waiting)} new` : ''}`
              : 'Live tail'
        }
        reserve={SHOWN * 32}
        query={events}
        aside={
          <span className="text-faint">
            <span className="num">{formatNumber(recent)}</span>
            {recent >= fresh.length && fresh.length > 0 ? ' or more' : ''} in the last minute
          </span>
        }
        empty={events.data && items.length === 0 && 'No event matches. New ones appear here as they happen.'}
      >
        <ol
          className="grid"
          aria-label="Events"
          onPointerEnter={(event) => event.pointerType === 'mouse' && rest()}
          onPointerLeave={() => window.scrollY < SCROLLED_PX && setResting(null)}
          onFocus={rest}
          onBlur={() => setResting(null)}
        >
          {items.map((event, place) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a row is a place in the list; were it the event, each new one would push all others down
            <EventRow key={place} event={event} fixed />
          ))}
        </ol>
      </Panel>
    </>
  )
}
