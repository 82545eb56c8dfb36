import Link from 'next/link'
import { GatePage } from '@/components/access/gate-page.tsx'

export default function NotFound() {
  return (
    <GatePage title="Not found" intro="There is no such page.">
      <Link href="/" className="text-accent underline underline-offset-2">
        Go to the overview
      </Link>
    </GatePage>
  )
}
