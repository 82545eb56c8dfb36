import type { ReactNode } from 'react'
import { Skeleton } from '../ui/skeleton.tsx'
import type { PanelQuery } from './panel.tsx'

/**
 * The part of a page below an answer that has not come yet: its height is not known, so nothing is drawn there that would move later.
 * Panels report a failure themselves.
 */
export function OnceKnown({
  query: { data, error },
  children,
}: {
  query: Pick<PanelQuery, 'data' | 'error'>
  children: ReactNode
}) {
  if (data !== undefined || error) return children
  return (
    <div aria-busy="true">
      <Skeleton rows={6} height={600} />
    </div>
  )
}
