'use client'

import { useState } from 'react'
import type { FoldedRow } from '@/server/contract/fold-rows.ts'
import type { TimelineItem } from '@/server/contract/incidents.ts'
import { plural } from '../ui/format.ts'
import { Time } from '../ui/time.tsx'
import { TimelineGlyph } from './timeline-glyph.tsx'

const LATE_MS = 2000

/** One row; it opens to show the rows folded into it, and its data. */
export function TimelineRowView({
  row,
  onInstant,
}: {
  row: FoldedRow
  onInstant: (at: number | null) => void
}) {
  const [open, setOpen] = useState(false)
  const { item, members } = row
  const at = Date.parse(item.at)
  return (
    <li data-kind={item.kind} className="border-hairline border-t hover:bg-sunken">
      <button
        type="button"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
        onMouseEnter={() => onInstant(at)}
        onMouseLeave={() => onInstant(null)}
        onFocus={() => onInstant(at)}
        onBlur={() => onInstant(null)}
        className="grid w-full grid-cols-[4.5rem_1rem_minmax(0,1fr)] items-baseline gap-x-3 py-1.5 text-left sm:grid-cols-[5rem_1rem_6rem_minmax(0,1fr)_auto]"
      >
        <span className="text-faint">
          <Time at={item.at} />
        </span>
        <span>
          <TimelineGlyph item={item} />
          <span className="sr-only">{item.kind}</span>
        </span>
        <span className="num truncate text-soft max-sm:hidden" title={item.source}>
          {item.source}
        </span>
        <span
          className={`min-w-0 break-words ${item.kind === 'note' ? 'whitespace-pre-wrap font-medium' : ''}`}
        >
          <span className="num mr-2 text-soft sm:hidden">{item.source}</span>
          {item.title}
        </span>
        <span className="text-faint text-xs max-sm:hidden">
          {members.length > 0 && plural(members.length, 'row')}
          {Date.parse(item.receivedAt) - at > LATE_MS && ' late'}
        </span>
      </button>
      {open && (
        <div className="grid gap-1 pb-2 pl-[5.5rem] text-soft sm:pl-[6rem]">
          {members.map((member) => (
            <Member key={member.id} item={member} />
          ))}
          <Data item={item} />
        </div>
      )}
    </li>
  )
}

function Member({ item }: { item: TimelineItem }) {
  return (
    <div className="flex gap-3">
      <Time at={item.at} />
      <span className="num">{item.source}</span>
      <span className="min-w-0 break-words">{item.title}</span>
    </div>
  )
}

function Data({ item }: { item: TimelineItem }) {
  const entries = Object.entries(item.data).filter(([, value]) => value !== null && value !== undefined)
  if (entries.length === 0) return null
  return (
    <dl className="num grid grid-cols-[auto_minmax(0,1fr)] gap-x-4 text-xs">
      {entries.map(([name, value]) => (
        <div key={name} className="contents">
          <dt className="text-faint">{name}</dt>
          <dd className="break-words">{typeof value === 'object' ? JSON.stringify(value) : String(value)}</dd>
        </div>
      ))}
    </dl>
  )
}
