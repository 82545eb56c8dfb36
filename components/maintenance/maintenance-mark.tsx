import { Wrench } from 'lucide-react'
import Link from 'next/link'
import type { MaintenanceMark as Mark } from '@/server/contract/maintenance.ts'
import { Time } from '../ui/time.tsx'

/** Says that something is in maintenance, until when and why; with `short`, only that it is. */
export function MaintenanceMark({ mark, short = false }: { mark: Mark | undefined; short?: boolean }) {
  if (mark === undefined) return null
  return (
    <span data-maintenance={mark.id} className="inline-flex flex-wrap items-baseline gap-x-1.5 text-soft">
      <Wrench size={12} aria-hidden className="self-center" />
      <Link
        href="/maintenance"
        title={`${mark.title}: ${mark.reason}`}
        className="underline-offset-2 hover:underline"
      >
        {short ? 'maintenance' : 'In maintenance'}
      </Link>
      {!short && (
        <span>
          until <Time at={mark.until} as="full" />: {mark.title} ({mark.reason})
        </span>
      )}
    </span>
  )
}
