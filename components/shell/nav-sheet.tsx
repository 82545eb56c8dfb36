'use client'

import { Menu } from 'lucide-react'
import Link from 'next/link'
import { usePathname } from 'next/navigation'
import { useState } from 'react'
import { useOverview } from '../data/overview.ts'
import { Modal } from '../ui/modal.tsx'
import { PageCount } from './page-count.tsx'
import { pageCounts } from './page-counts.ts'
import { isCurrent, PAGES } from './pages.ts'

/** The pages on a narrow screen. */
export function NavSheet() {
  const [open, setOpen] = useState(false)
  const path = usePathname()
  const { data } = useOverview()
  const counts = pageCounts(data)
  return (
    <div className="lg:hidden">
      <button
        type="button"
        aria-label="Pages"
        onClick={() => setOpen(true)}
        className="grid size-10 place-items-center rounded-[4px] text-soft hover:bg-sunken"
      >
        <Menu size={18} aria-hidden />
      </button>
      <Modal open={open} onOpenChange={setOpen} title="Pages">
        <nav aria-label="Pages" className="grid">
          {PAGES.map((page) => (
            <Link
              key={page.href}
              href={page.href}
              onClick={() => setOpen(false)}
              aria-current={isCurrent(page.href, path) ? 'page' : undefined}
              className="flex min-h-11 items-center border-hairline border-t text-base aria-[current=page]:font-semibold aria-[current=page]:text-accent"
            >
              {page.label}
              <PageCount count={counts[page.href]} loud={page.href === '/incidents'} />
            </Link>
          ))}
        </nav>
      </Modal>
    </div>
  )
}
