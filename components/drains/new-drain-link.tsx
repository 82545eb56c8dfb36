'use client'

import Link from 'next/link'
import { useMay } from '../data/me.ts'
import { buttonClass } from '../ui/button.tsx'

export function NewDrainLink() {
  const may = useMay('operator')
  if (!may) return null
  return (
    <Link href="/drains/new" className={buttonClass('primary')}>
      New drain…
    </Link>
  )
}
