'use client'

import { parseAsArrayOf, parseAsString, parseAsStringLiteral, useQueryStates } from 'nuqs'
import { useMemo } from 'react'
import type { Incident, TimelineKind } from '@/server/contract/incidents.ts'
import { useTimeline } from '../data/incidents.ts'
import { Panel } from '../panels/panel.tsx'
import { Button } from '../ui/button.tsx'
import { controlClass } from '../ui/control-class.ts'
import { formatNumber } from '../ui/format.ts'
import { Time } from '../ui/time.tsx'
import { TimelineRowView } from './timeline-row.tsx'
import { timelineRows } from './timeline-rows.ts'
import { useIncidentSpan } from './use-incident-span.ts'

const KINDS = [
  'event',
  'signal',
  'incident',
  'drain',
  'operator',
  'notification',
  'annotation',
  'note',
] as const satisfies readonly TimelineKind[]
/** Rows beyond this are shown on demand: a storm has thousands. */
const FIRST_ROWS = 400
const LEAD_IN_MS = 60_000

/** Everything that happened, in order. Filters are part of the link. */
export function IncidentTimeline({
  incident,
  onInstant,
}: {
  incident: Incident
  onInstant: (at: number | null) => void
}) {
  const timeline = useTimeline(incident)
  const span = useIncidentSpan()
  const [filter, setFilter] = useQueryStates({
    kind: parseAsArrayOf(parseAsStringLiteral(KINDS)).withDefault([]),
    source: parseAsString,
    q: parseAsString.withDefault(''),
    all: parseAsString,
  })
  const items = timeline.data?.items
  const rows = useMemo(
    () =>
      timelineRows(items ?? [], {
        kinds: filter.kind,
        source: filter.source,
        text: filter.q,
        from: span.from,
        to: span.to,
      }),
    [items, filter, span.from, span.to],
  )
  const sources = useMemo(() => [...new Set((items ?? []).map((item) => item.source))].sort(), [items])
  const present = useMemo(() => KINDS.filter((kind) => items?.some((item) => item.kind === kind)), [items])
  const filtered = filter.kind.length > 0 || filter.source || filter.q || span.from !== null
  // The story starts shortly before the evidence; what led up to it is one press away.
  const leadIn = Date.parse(incident.startedAt) - LEAD_IN_MS
  const earlier = filter.all || filtered ? 0 : rows.filter((row) => Date.parse(row.item.at) < leadIn).length
  const shown = filter.all ? rows : rows.slice(earlier, earlier + FIRST_ROWS)
  const later = rows.length - earlier - shown.length
  return (
    <Panel
      title="Timeline"
      query={timeline}
      rows={8}
      aside={
        <span className="text-faint">
          <span className="num">{formatNumber(rows.length)}</span> rows
        </span>
      }
      empty={timeline.data && rows.length === 0 && !filtered && 'Nothing is recorded yet.'}
    >
      <div className="mb-3 flex flex-wrap items-center gap-2">
        {present.map((kind) => {
          const on = filter.kind.includes(kind)
          return (
            <button
              key={kind}
              type="button"
              aria-pressed={on}
              onClick={() =>
                void setFilter({
                  kind: on ? filter.kind.filter((other) => other !== kind) : [...filter.kind, kind],
                })
              }
              className="min-h-7 rounded-[4px] border border-hairline px-2 text-soft text-xs aria-pressed:border-accent aria-pressed:bg-accent-wash aria-pressed:font-semibold aria-pressed:text-accent max-sm:min-h-9"
            >
              {kind}
            </button>
          )
        })}
        <select
          aria-label="Source"
          className={`${controlClass} w-36!`}
          value={filter.source ?? ''}
          onChange={(event) => void setFilter({ source: event.target.value || null })}
        >
          <option value="">All sources</option>
          {sources.map((source) => (
            <option key={source}>{source}</option>
          ))}
        </select>
        <input
          data-filter
          type="search"
          aria-label="Text in the timeline"
          placeholder="Text  /"
          className={`${controlClass} w-40!`}
          value={filter.q}
          onChange={(event) => void setFilter({ q: event.target.value || null })}
        />
        {filtered && (
          <Button
            tone="quiet"
            onClick={() => {
              void setFilter({ kind: null, source: null, q: null })
              span.reset()
            }}
          >
            Show everything
          </Button>
        )}
      </div>
      {timeline.data?.gaps.map((gap) => (
        <p
          key={`${gap.node ?? ''}${gap.from}`}
          className="mb-1 border-unknown border-l-2 border-dashed pl-3 text-unknown"
        >
          Not known: {gap.node ?? 'collector'}, <Time at={gap.from} /> to <Time at={gap.to} />, {gap.reason}
        </p>
      ))}
      {rows.length === 0 ? (
        <p className="py-2 text-soft">No row matches the filter.</p>
      ) : (
        <>
          {earlier > 0 && (
            <Button tone="quiet" className="mb-1" onClick={() => void setFilter({ all: '1' })}>
              Show {formatNumber(earlier)} earlier rows
            </Button>
          )}
          <ol aria-label="Timeline">
            {shown.map((row) => (
              <TimelineRowView key={row.item.id} row={row} onInstant={onInstant} />
            ))}
          </ol>
        </>
      )}
      {later > 0 && (
        <Button onClick={() => void setFilter({ all: '1' })}>Show {formatNumber(later)} more</Button>
      )}
    </Panel>
  )
}
