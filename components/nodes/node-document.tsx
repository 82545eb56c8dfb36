'use client'

import { useNode } from '../data/nodes.ts'
import { Panel } from '../panels/panel.tsx'

/** What the node answered last, as it came. */
export function NodeDocument({ node: id }: { node: string }) {
  const node = useNode(id)
  // Another program may answer anything, also `0`.
  if (node.data?.health == null) return null
  const isTidegate = node.data.kind === 'tidegate'
  return (
    <Panel title={isTidegate ? 'Health document' : 'Answer'}>
      <details>
        <summary className="w-fit text-accent">
          Show the last {isTidegate ? '/health' : 'answer'} as JSON
        </summary>
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
