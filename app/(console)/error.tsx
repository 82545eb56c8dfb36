'use client'

import { Button } from '@/components/ui/button.tsx'
import { PageHeading } from '@/components/ui/page-heading.tsx'

export default function PageError({
  error,
  reset,
}: {
  error: Error & { digest?: string }
  reset: () => void
}) {
  return (
    <>
      <PageHeading
        title="This page broke"
        intro={error.message || 'The fault is in the page, not in the fleet.'}
      />
      <div>
        <Button tone="primary" onClick={reset}>
          Reload this page
        </Button>
      </div>
    </>
  )
}
