'use client'

import { useFreshness } from '../data/use-freshness.ts'
import { StateGlyph } from '../ui/state-glyph.tsx'

const LOOK = {
  live: { shape: 'up', tone: 'text-up' },
  catching_up: { shape: 'draining', tone: 'text-draining' },
  stale: { shape: 'degraded', tone: 'text-degraded' },
} as const

/** How far the page can be trusted, and why not further. */
export function LiveBadge() {
  const freshness = useFreshness()
  const look = LOOK[freshness.level]
  return (
    <span
      role="status"
      data-live={freshness.level}
      title={freshness.which ?? 'What you see is current'}
      className={`inline-flex min-w-0 items-center gap-1.5 font-medium ${look.tone}`}
    >
      <StateGlyph shape={look.shape} />
      <span className="whitespace-nowrap" suppressHydrationWarning>
        {freshness.text}
      </span>
      {freshness.which && (
        <span className="max-w-64 truncate font-normal text-soft max-md:sr-only">· {freshness.which}</span>
      )}
    </span>
  )
}
