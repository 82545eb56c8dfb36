'use client'

import type { ReactNode } from 'react'
import { useKnown } from '../data/known.ts'
import { useNode } from '../data/nodes.ts'
import { Panel } from '../panels/panel.tsx'
import { Time } from '../ui/time.tsx'
import { nodeNow } from './last-known.ts'

/**
 * A panel with what a node reported about itself. Where the node is down or not known, its last report is never shown as the present: it
 * carries its time, and has no colour.
 */
export function NodePanel({
  node: id,
  title,
  nowTitle,
  empty,
  children,
}: {
  node: string
  /** What the panel is about, for example `Push`. */
  title: string
  /** The title while the numbers are of now, where it is another. */
  nowTitle?: string
  empty?: ReactNode
  children: ReactNode
}) {
  const node = useNode(id)
  const { known } = useKnown()
  const now = nodeNow(node.data, known)
  if (now.isNow)
    return (
      <Panel title={nowTitle ?? title} query={node} empty={empty}>
        {children}
      </Panel>
    )
  return (
    <Panel
      title={
        <>
          {nowTitle === undefined && `${title}: `}
          {nowTitle === undefined ? 'last known' : 'Last known'}
          {now.answeredAt !== null && (
            <>
              , <Time at={now.answeredAt} /> (<Time at={now.answeredAt} as="ago" />)
            </>
          )}
        </>
      }
      query={node}
      empty={empty}
    >
      <div data-known="no" data-last-known>
        {children}
      </div>
    </Panel>
  )
}
