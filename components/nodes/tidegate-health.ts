import type { NodeDetail } from '@/server/contract/fleet.ts'
import type { Health } from '@/server/contract/health.ts'

/** The health document of a Tidegate node; null before its first answer, and of other kinds of node, whose answers are their own. */
export const tidegateHealth = (node: NodeDetail | undefined): Health | null =>
  node?.kind === 'tidegate' ? (node.health as Health | null) : null
