'use client'

import type { ReactNode } from 'react'
import { useNode } from '../data/nodes.ts'
import { OnceKnown } from '../panels/once-known.tsx'

export function OnceNodeKnown({ node, children }: { node: string; children: ReactNode }) {
  return <OnceKnown query={useNode(node)}>{children}</OnceKnown>
}
