'use client'

import { type ReactNode, useId } from 'react'
import { useLiveStatus } from '../live/use-live-status.ts'
import { errorText } from '../queries/error-text.ts'
import { Button } from './button.tsx'
import { Skeleton } from './skeleton.tsx'
import { Time } from './time.tsx'

/** What a panel needs to know of a query. */
export interface PanelQuery {
  data: unknown
  error: Error | null
  dataUpdatedAt: number
  isFetching: boolean
  refetch: () => unknown
}

/** One question and its evidence: a heading over a hairline, with the four faces loading, empty, error and stale. */
export function Panel({
  title,
  aside,
  query,
  empty,
  children,
  rows = 3,
  className = '',
}: {
  title: string
  aside?: ReactNode
  query?: PanelQuery
  /** Shown instead of the children: says what to do. */
  empty?: ReactNode
  children?: ReactNode
  rows?: number
  className?: string
}) {
  const heading = useId()
  const live = useLiveStatus()
  const known = !query || query.data !== undefined
  const stale = known && (live.phase === 'stale' || Boolean(query?.error))
  return (
    <section
      aria-labelledby={heading}
      aria-busy={!known || undefined}
      className={`min-w-0 border-hairline border-t pt-3 ${className}`}
    >
      <header className="mb-3 flex min-h-8 flex-wrap items-center justify-between gap-x-4 gap-y-1">
        <h2 id={heading} className="font-semibold">
          {title}
        </h2>
        {aside && <div className="flex flex-wrap items-center gap-2">{aside}</div>}
      </header>
      {query?.error && (
        <div
          role="alert"
          className="mb-3 flex flex-wrap items-center gap-3 rounded-[4px] bg-down-wash px-3 py-2 text-down"
        >
          <span className="min-w-0 flex-1">
            {errorText(query.error)}
            {query.dataUpdatedAt > 0 && (
              <>
                {' '}
                What you see is from <Time at={query.dataUpdatedAt} as="ago" />.
              </>
            )}
          </span>
          <Button onClick={() => query.refetch()} disabled={query.isFetching}>
            Try again
          </Button>
        </div>
      )}
      {known ? (
        <div className={stale ? 'opacity-60 saturate-50' : undefined} data-stale={stale || undefined}>
          {empty ? <div className="max-w-prose py-2 text-soft">{empty}</div> : children}
        </div>
      ) : (
        !query.error && <Skeleton rows={rows} />
      )}
    </section>
  )
}
