import { plural } from '../../contract/words.ts'
import type { FleetView, NodeView } from './rule.ts'

const isServing = ({ state }: NodeView): boolean => state === 'up' || state === 'degraded'

/** Who serves in the region of a node beside it: `2 other nodes of fra serve`. */
export const servingBeside = (
  fleet: FleetView,
  { id, region }: Pick<NodeView, 'id' | 'region'>,
): { count: number; words: string } => {
  const count = fleet.nodesOf(region).filter((other) => other.id !== id && isServing(other)).length
  const words =
    count === 0
      ? `no other node of ${region} serves`
      : `${plural(count, 'other node')} of ${region} ${count === 1 ? 'serves' : 'serve'}`
  return { count, words }
}
