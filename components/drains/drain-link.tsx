'use client'

import Link from 'next/link'
import { useMay, useMe } from '../data/me.ts'
import { Button, buttonClass } from '../ui/button.tsx'

/** The way to a drain; a viewer sees it and why it is not theirs. */
export function DrainLink({
  subject,
  id,
  active,
}: {
  subject: 'region' | 'node'
  id: string
  active?: string | undefined
}) {
  const me = useMe()
  const may = useMay('operator')
  if (active) {
    return (
      <Link href={`/drains/${active}`} className={buttonClass('primary')}>
        Watch the drain
      </Link>
    )
  }
  if (!may) {
    return (
      <span className="flex items-center gap-3">
        {me.data && (
          <span id="drain-refusal" className="text-faint">
            Draining needs the operator role; yours is {me.data.role}.
          </span>
        )}
        <Button disabled aria-describedby="drain-refusal">
          Drain {id}…
        </Button>
      </span>
    )
  }
  return (
    <Link href={`/drains/new?${subject}=${id}`} className={buttonClass()}>
      Drain {id}…
    </Link>
  )
}
