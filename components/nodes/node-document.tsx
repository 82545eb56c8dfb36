'use client'

import { useNode } from '../data/nodes.ts'
import { Panel } from '../panels/panel.tsx'

/** The health document as the node sent it. */
export function NodeDocument({ node: id }: { node: string }) {
  const node = useNode(id)
  if (!node.data?.health) return null
  return (
    <Panel title="Health document">
      <details>
        <summary className="w-fit text-accent">Show the last /health as JSON</summary>
        <pre
          // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
          tabIndex={0}
          className="num mt-2 max-h-[32rem] overflow-auto rounded-[4px] border border-hairline bg-sunken p-3 text-xs"
        >
          {JSON.stringify(node.data.health, null, 2)}
        </pre>
      </details>
    </Panel>
  )
}
