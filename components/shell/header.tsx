'use client'

import Link from 'next/link'
import { usePathname } from 'next/navigation'
import { useKnown } from '../data/known.ts'
import { useOverview } from '../data/overview.ts'
import { LiveBadge } from '../live/live-badge.tsx'
import { Wordmark } from '../ui/wordmark.tsx'
import { NavSheet } from './nav-sheet.tsx'
import { PageCount } from './page-count.tsx'
import { pageCounts } from './page-counts.ts'
import { isCurrent, PAGES } from './pages.ts'
import { YouMenu } from './you-menu.tsx'

export function Header() {
  const path = usePathname()
  const { data } = useOverview()
  const { known } = useKnown()
  const counts = pageCounts(data)
  return (
    <header className="sticky top-0 z-30 border-hairline border-b bg-canvas">
      <div className="mx-auto flex h-12 max-w-[1440px] items-center gap-4 px-4 sm:px-6">
        <Link href="/" className="shrink-0 font-semibold" aria-label="Tidegate, overview">
          <Wordmark />
        </Link>
        <nav aria-label="Pages" className="hidden h-full items-stretch gap-1 lg:flex">
          {PAGES.map((page) => (
            <Link
              key={page.href}
              href={page.href}
              aria-current={isCurrent(page.href, path) ? 'page' : undefined}
              className="flex items-center border-transparent border-b-2 px-2.5 text-soft hover:text-ink aria-[current=page]:border-accent aria-[current=page]:font-medium aria-[current=page]:text-ink"
            >
              {page.label}
              <PageCount count={counts[page.href]} loud={known && page.href === '/incidents'} />
            </Link>
          ))}
        </nav>
        <div className="ml-auto flex min-w-0 items-center gap-3">
          <LiveBadge />
          <YouMenu />
          <NavSheet />
        </div>
      </div>
    </header>
  )
}
