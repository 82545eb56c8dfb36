import { TunnelBoard } from '@/components/tunnels/tunnel-board.tsx'
import { PageHeading } from '@/components/ui/page-heading.tsx'

export default function TunnelsPage() {
  return (
    <>
      <PageHeading title="Tunnels" />
      <TunnelBoard />
    </>
  )
}
