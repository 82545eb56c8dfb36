import { Suspense } from 'react'
import { GatePage } from '@/components/access/gate-page.tsx'
import { Setup } from '@/components/access/setup.tsx'

export default function SetupPage() {
  return (
    <GatePage
      title="Set up Tidegate"
      intro="Make the first administrator. More people can be added afterwards."
    >
      <Suspense>
        <Setup />
      </Suspense>
    </GatePage>
  )
}
