'use client'

import type { Node } from '@/server/contract/fleet.ts'
import { isMeasured, measuredIn } from '../charts/charts-with.ts'
import { errorText } from '../data/error-text.ts'
import { useKnown } from '../data/known.ts'
import { useOverview } from '../data/overview.ts'
import { formatNumber, plural } from '../ui/format.ts'
import { Skeleton } from '../ui/skeleton.tsx'
import { StateGlyph } from '../ui/state-glyph.tsx'
import { Time } from '../ui/time.tsx'
import { useZone } from '../ui/zone.ts'
import { headlineOf } from './headline.ts'

/** The answer first: one sentence, as of when, and the four numbers behind it. */
export function Verdict() {
  const { data, error, isFetching } = useOverview()
  const { known } = useKnown()
  const zone = useZone()
  if (!data) {
    return (
      <div className="grid gap-1">
        <h1 className="font-semibold text-2xl tracking-tight max-sm:min-h-16">
          {error ? 'The fleet cannot be reached' : 'Checking the fleet…'}
        </h1>
        {error ? (
          <p className="text-down">
            {errorText(error)}
            {isFetching && ' Trying again…'}
          </p>
        ) : (
          <Skeleton rows={1} height={20} phoneHeight={80} />
        )}
      </div>
    )
  }
  const { text, shape, tone, level } = headlineOf(data, known, zone)
  const { totals } = data
  const uncounted = notCounted(data.nodes)
  const measures = measuredIn(data)
  return (
    <div className="flex flex-wrap items-end justify-between gap-x-8 gap-y-4">
      <div className="grid min-w-0 gap-1">
        <h1
          className={`flex items-baseline gap-3 text-balance font-semibold text-2xl tracking-tight max-sm:min-h-16 ${level === 'ok' ? '' : tone}`}
          data-verdict={level}
        >
          <span className={`scale-125 ${tone}`}>
            <StateGlyph shape={shape} />
          </span>
          <span className="wrap-anywhere min-w-0">{text}</span>
        </h1>
        <p className="text-faint">
          As of <Time at={data.at} />
        </p>
      </div>
      <dl className="flex flex-wrap gap-x-8 gap-y-2" data-known={known ? undefined : 'no'}>
        <Figure
          name="Nodes up"
          value={`${formatNumber(totals.up)} of ${formatNumber(totals.nodes)}`}
          note={totals.unknown > 0 ? `${totals.unknown} unknown` : null}
        />
        {isMeasured(measures, 'tunnels') && (
          <Figure name="Tunnels" value={formatNumber(totals.tunnels)} note={uncounted} />
        )}
        {isMeasured(measures, 'connections') && (
          <Figure name="Connections" value={formatNumber(totals.connections)} note={uncounted} />
        )}
      </dl>
    </div>
  )
}

/** Nodes that did not answer are not in any sum, and a sum without them says so. */
const notCounted = (nodes: readonly Node[]): string | null => {
  const isSilent = ({ state }: Node): boolean => state === 'down' || state === 'unknown'
  const count = nodes.filter((node) => isSilent(node) && Object.keys(node.numbers).length === 0).length
  return count > 0 && count < nodes.length ? `without ${plural(count, 'node')}` : null
}

function Figure({ name, value, note }: { name: string; value: string; note: string | null }) {
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
