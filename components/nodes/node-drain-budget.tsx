'use client'

import { PhaseBars } from '../drains/phase-bars.tsx'
import { useNode } from '../queries/nodes.ts'
import { formatDuration } from '../ui/format.ts'
import { Panel } from '../ui/panel.tsx'

/** How long a drain of this node may take, against the ceiling at which it would be killed. */
export function NodeDrainBudget({ node: id }: { node: string }) {
  const node = useNode(id)
  const drain = node.data?.health?.drain
  if (!drain) return null
  const { preDrain, http, tunnels, margin } = drain.budgetSeconds
  return (
    <Panel title="Drain budget" query={node}>
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
          ? `Fits: ${formatDuration((preDrain + http + tunnels + margin) * 1000)} of ${formatDuration(drain.ceilingSeconds * 1000)}.`
          : `Does not fit: the phases and the margin exceed the ceiling of ${formatDuration(drain.ceilingSeconds * 1000)}, so a drain may be killed half-way.`}
      </p>
    </Panel>
  )
}
