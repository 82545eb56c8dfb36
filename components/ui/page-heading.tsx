import type { ReactNode } from 'react'

export function PageHeading({
  title,
  intro,
  aside,
  awaits = false,
}: {
  title: ReactNode
  intro?: ReactNode
  aside?: ReactNode
  /** The aside is still to come: on a phone a row is kept free for it. */
  awaits?: boolean
}) {
  return (
    <div className="flex flex-wrap items-start justify-between gap-x-6 gap-y-3">
      <div className="grid min-w-0 gap-1">
        <h1 className="text-balance font-semibold text-2xl tracking-tight">{title}</h1>
        {intro && <p className="max-w-prose text-soft">{intro}</p>}
      </div>
      {awaits && <div aria-hidden="true" className="h-10 w-full sm:hidden" />}
      {aside && !awaits && <div className="flex flex-wrap items-center gap-2">{aside}</div>}
    </div>
  )
}
