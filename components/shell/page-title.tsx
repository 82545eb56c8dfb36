'use client'

import { usePathname } from 'next/navigation'
import { useKnown } from '../data/known.ts'
import { useOverview } from '../data/overview.ts'
import { titleOf } from './title-of.ts'

/** The browser tab shows the state, in its title and in its icon. */
export function PageTitle() {
  const { data } = useOverview()
  const { known } = useKnown()
  const path = usePathname()
  const { title, icon } = titleOf(path, data, !known)
  return (
    <>
      <title>{title}</title>
      <link rel="icon" href={icon} type="image/svg+xml" />
    </>
  )
}
