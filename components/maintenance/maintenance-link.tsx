'use client'

import Link from 'next/link'
import { useMay } from '../data/me.ts'
import { buttonClass } from '../ui/button.tsx'

/** The way to announce maintenance of a region or node; not there for viewers. */
export function MaintenanceLink({ subject, id }: { subject: 'region' | 'node'; id: string }) {
  const may = useMay('operator')
  if (!may) return null
  return (
    <Link href={`/maintenance?${subject}=${encodeURIComponent(id)}`} className={buttonClass()}>
      Maintenance…
    </Link>
  )
}
