import { GatePage } from '@/components/access/gate-page.tsx'
import { Setup } from '@/components/access/setup.tsx'

export default function SetupPage() {
  return (
    <GatePage title="Set up Tidegate" intro="Create the first administrator. You can add more people later.">
      <Setup />
    </GatePage>
  )
}
