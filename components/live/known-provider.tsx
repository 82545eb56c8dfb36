'use client'

import { type ReactNode, useEffect, useMemo } from 'react'
import { KnownContext } from '../data/known.ts'
import { useFreshness } from '../data/use-freshness.ts'

/**
 * The one source of freshness. The attribute on the root element takes the colour out of every token at once (`globals.css`), so that
 * nothing on the page can stay green; whatever speaks of the present asks `useKnown`.
 */
export function KnownProvider({ children }: { children: ReactNode }) {
  const { known, asOf } = useFreshness()
  const since = known ? null : asOf
  const value = useMemo(() => ({ known, since }), [known, since])
  useEffect(() => {
    const root = document.documentElement
    if (known) delete root.dataset.known
    else root.dataset.known = 'no'
    return () => {
      delete root.dataset.known
    }
  }, [known])
  return <KnownContext value={value}>{children}</KnownContext>
}
