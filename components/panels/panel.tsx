'use client'

import { type ReactNode, useId } from 'react'
import { errorText } from '../data/error-text.ts'
import { ApiError } from '../data/http.ts'
import { useKnown } from '../data/known.ts'
import { Button } from '../ui/button.tsx'
import { Skeleton } from '../ui/skeleton.tsx'
import { Time } from '../ui/time.tsx'

/** What a panel needs to know of a query. */
export interface PanelQuery {
  data: unknown
  error: Error | null
  dataUpdatedAt: number
  isFetching: boolean
  refetch: () => unknown
}

/** The server's silence, as against a refusal that says something. */
const isSilence = (error: Error): boolean =>
  error instanceof ApiError && (error.code === 'ERR_UNREACHABLE' || error.code === 'ERR_UNAUTHENTICATED')

/** One question and its evidence: a heading over a hairline, with the four faces loading, empty, error and stale. */
export function Panel({
  title,
  aside,
  query,
  empty,
  children,
  rows = 3,
  reserve,
  reserveOnPhone = reserve,
  className = '',
}: {
  title: ReactNode
  aside?: ReactNode
  query?: PanelQuery
  /** Shown instead of the children: says what to do. */
  empty?: ReactNode
  children?: ReactNode
  rows?: number
  /** Height in px that the content will probably have, so that nothing jumps when it comes. */
  reserve?: number | undefined
  /** The height below 640 px. */
  reserveOnPhone?: number | undefined
  className?: string
}) {
  const heading = useId()
  const { known: fresh } = useKnown()
  const known = !query || query.data !== undefined
  // While the present is not known, one line under the header says why; a panel reports only its own problems.
  const error = query?.error && (fresh || !isSilence(query.error)) ? query.error : null
  const stale = known && (!fresh || Boolean(query?.error))
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
      {query && error && (
        <div
          role="alert"
          className="mb-3 flex flex-wrap items-center gap-3 rounded-[4px] bg-down-wash px-3 py-2 text-down"
        >
          <span className="min-w-0 flex-1">
            {errorText(error)}
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
        <div data-known={stale ? 'no' : undefined} data-stale={stale || undefined}>
          {empty ? <div className="max-w-prose py-2 text-soft">{empty}</div> : children}
        </div>
      ) : (
        !query.error && <Skeleton rows={rows} height={reserve} phoneHeight={reserveOnPhone} />
      )}
    </section>
  )
}
