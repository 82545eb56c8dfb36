import { NodeCharts } from '@/components/nodes/node-charts.tsx'
import { NodeConnections } from '@/components/nodes/node-connections.tsx'
import { NodeDocument } from '@/components/nodes/node-document.tsx'
import { NodeDrainBudget } from '@/components/nodes/node-drain-budget.tsx'
import { NodeEvents } from '@/components/nodes/node-events.tsx'
import { NodeHeading } from '@/components/nodes/node-heading.tsx'
import { NodeParts } from '@/components/nodes/node-parts.tsx'
import { NodeTables } from '@/components/nodes/node-tables.tsx'
import { NodeTargets } from '@/components/nodes/node-targets.tsx'
import { OnceNodeKnown } from '@/components/nodes/once-node-known.tsx'
import { PushHealthPanel } from '@/components/push/push-health.tsx'
import { withSubject } from '../../with-subject.ts'

export default async function NodePage({ params }: { params: Promise<{ node: string }> }) {
  await withSubject()
  const { node } = await params
  return (
    <>
      <NodeHeading node={node} />
      <OnceNodeKnown node={node}>
        <NodeParts node={node} />
        <NodeCharts node={node} />
        <PushHealthPanel node={node} />
        <NodeTables node={node} />
        <NodeTargets node={node} />
        <NodeDrainBudget node={node} />
        <NodeConnections node={node} />
        <NodeEvents node={node} />
        <NodeDocument node={node} />
      </OnceNodeKnown>
    </>
  )
}
