'use client'

import { errorText } from '../queries/error-text.ts'
import { useOverview } from '../queries/overview.ts'
import { formatNumber } from '../ui/format.ts'
import { Skeleton } from '../ui/skeleton.tsx'
import { StateGlyph } from '../ui/state-glyph.tsx'
import { Time } from '../ui/time.tsx'

const LOOK = {
  ok: { shape: 'up', tone: 'text-up' },
  attention: { shape: 'degraded', tone: 'text-degraded' },
  outage: { shape: 'down', tone: 'text-down' },
} as const

/** The answer first: one sentence, as of when, and the four numbers behind it. */
export function Verdict() {
  const { data, error, isFetching } = useOverview()
  if (!data) {
    return (
      <div className="grid gap-2">
        <h1 className="font-semibold text-2xl tracking-tight">
          {error ? 'The fleet cannot be seen' : 'Looking at the fleet…'}
        </h1>
        {error ? (
          <p className="text-down">
            {errorText(error)}
            {isFetching && ' Trying again…'}
          </p>
        ) : (
          <Skeleton rows={1} />
        )}
      </div>
    )
  }
  const { level, text } = data.verdict
  const { totals } = data
  return (
    <div className="flex flex-wrap items-end justify-between gap-x-8 gap-y-4">
      <div className="grid min-w-0 gap-1">
        <h1
          className={`flex items-baseline gap-3 text-balance font-semibold text-2xl tracking-tight ${level === 'ok' ? '' : LOOK[level].tone}`}
          data-verdict={level}
        >
          <span className={`scale-125 ${LOOK[level].tone}`}>
            <StateGlyph shape={LOOK[level].shape} />
          </span>
          <span className="min-w-0">{text}</span>
        </h1>
        <p className="text-faint">
          As of <Time at={data.at} />
        </p>
      </div>
      <dl className="flex flex-wrap gap-x-8 gap-y-2">
        <Figure
          name="Nodes up"
          value={`${totals.up} of ${totals.nodes}`}
          {...(totals.unknown > 0 ? { note: `${totals.unknown} unknown` } : {})}
        />
        <Figure name="Tunnels" value={formatNumber(totals.tunnels)} />
        <Figure name="Connections" value={formatNumber(totals.connections)} />
      </dl>
    </div>
  )
}

function Figure({ name, value, note }: { name: string; value: string; note?: string }) {
  return (
    <div>
      <dt className="text-faint text-xs">{name}</dt>
      <dd className="num font-semibold text-lg">
        {value}
        {note && <span className="ml-2 font-normal text-sm text-unknown">{note}</span>}
      </dd>
    </div>
  )
}
