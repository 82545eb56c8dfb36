'use client'

import { useNode } from '../data/nodes.ts'
import { FactTable } from '../panels/fact-table.tsx'
import { NodePanel } from './node-panel.tsx'

/** What this kind of node knows beside its numbers, a panel a table. */
export function NodeTables({ node: id }: { node: string }) {
  const node = useNode(id)
  return node.data?.tables.map((table) => (
    <NodePanel key={table.id} node={id} title={table.title}>
      <FactTable table={table} />
    </NodePanel>
  ))
}
