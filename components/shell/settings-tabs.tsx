'use client'

import Link from 'next/link'
import { usePathname } from 'next/navigation'
import { isCurrent, SETTINGS_PAGES } from './pages.ts'

/** The pages below Settings, side by side; on a phone they scroll within their line. */
export function SettingsTabs() {
  const path = usePathname()
  return (
    <nav aria-label="Settings" className="relative -mb-2 flex gap-1 overflow-x-auto border-hairline border-b">
      {SETTINGS_PAGES.map((page) => (
        <Link
          key={page.href}
          href={page.href}
          aria-current={isCurrent(page.href, path) ? 'page' : undefined}
          className="flex min-h-9 items-center whitespace-nowrap border-transparent border-b-2 px-2.5 text-soft max-sm:px-2 hover:text-ink aria-[current=page]:border-accent aria-[current=page]:font-medium aria-[current=page]:text-ink max-sm:min-h-11"
        >
          {page.label}
        </Link>
      ))}
    </nav>
  )
}
