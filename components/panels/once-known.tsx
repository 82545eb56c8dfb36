import type { ReactNode } from 'react'
import { Skeleton } from '../ui/skeleton.tsx'
import type { PanelQuery } from './panel.tsx'

/**
 * What stands below an answer that has not come yet: nobody knows how high it will be, so nothing is drawn there that would jump then. A
 * failure is for the panels to tell.
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
