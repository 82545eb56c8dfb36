'use client'

import { usePathname } from 'next/navigation'
import { useEffect } from 'react'
import { useLiveStatus } from '../live/use-live-status.ts'
import { useOverview } from '../queries/overview.ts'
import { titleOf } from './title-of.ts'

/** The browser tab carries the state: in its title and in its icon. */
export function PageTitle() {
  const { data } = useOverview()
  const live = useLiveStatus()
  const path = usePathname()
  const { title, icon } = titleOf(path, data, live.phase === 'stale' || live.phase === 'ended')
  useEffect(() => {
    const link = document.querySelector<HTMLLinkElement>('link[rel="icon"]')
    if (link && link.getAttribute('href') !== icon) link.href = icon
  }, [icon])
  return <title>{title}</title>
}
