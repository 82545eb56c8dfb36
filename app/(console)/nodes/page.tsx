import { NodeBoard } from '@/components/nodes/node-board.tsx'
import { PageHeading } from '@/components/ui/page-heading.tsx'

export default function NodesPage() {
  return (
    <>
      <PageHeading title="Nodes" />
      <NodeBoard />
    </>
  )
}
