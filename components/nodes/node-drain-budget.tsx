'use client'

import { useNode } from '../data/nodes.ts'
import { PhaseBars } from '../drains/phase-bars.tsx'
import { Panel } from '../panels/panel.tsx'
import { formatDuration } from '../ui/format.ts'
import { tidegateHealth } from './tidegate-health.ts'

/** How long it takes to stop this node's process, against the ceiling at which it would be killed. A drain by an operator has a plan of its own. */
export function NodeDrainBudget({ node: id }: { node: string }) {
  const node = useNode(id)
  const drain = tidegateHealth(node.data)?.drain
  if (!drain) return null
  const { preDrain, http, tunnels, margin } = drain.budgetSeconds
  return (
    <Panel title="If its process is stopped" query={node}>
      <PhaseBars
        rows={[
          {
            node: id,
            phases: [
              { name: 'pre-drain', seconds: preDrain },
              { name: 'connections', seconds: http },
              { name: 'tunnels', seconds: tunnels },
              { name: 'margin', seconds: margin },
            ],
          },
        ]}
        ceilingSeconds={drain.ceilingSeconds}
      />
      <p className={`mt-2 ${drain.fits ? 'text-soft' : 'text-down'}`}>
        {drain.fits
          ? `It drains within ${formatDuration((preDrain + http + tunnels + margin) * 1000)}, and would be killed after ${formatDuration(drain.ceilingSeconds * 1000)}. A drain that an operator starts has its own plan, shown before it begins.`
          : `Does not fit: the phases and the margin exceed the ceiling of ${formatDuration(drain.ceilingSeconds * 1000)}, so a drain may be killed half-way.`}
      </p>
    </Panel>
  )
}
