import { AppError } from '../../contract/errors.ts'
import type { Node } from '../../contract/fleet.ts'
import type { DrainFleet } from './drain-fleet.ts'

/** What is to be drained: a region with all its nodes, or one node. */
export interface DrainSubject {
  region: string | null
  node: string | null
  /** In the order in which they are drained. */
  nodes: readonly Node[]
}

/** Rejects with `ERR_NOT_FOUND` where there is no such region or node. */
export const subjectOf = (
  fleet: Pick<DrainFleet, 'nodes'>,
  request: { region?: string | undefined; node?: string | undefined },
): DrainSubject => {
  const { region, node } = request
  const nodes = fleet
    .nodes()
    .filter((each) => (node === undefined ? each.region === region : each.id === node))
  if (nodes.length === 0) {
    const what = node === undefined ? `region ${region}` : `node ${node}`
    const isOther = fleet
      .nodes()
      .some((each) => (node === undefined ? each.id === region : each.region === node))
    const other =
      node === undefined ? `a node of that name (tidegate drain ${region} --node)` : 'a region of that name'
    throw new AppError(
      'ERR_NOT_FOUND',
      `There is no ${what} in this fleet${isOther ? `, but ${other}` : ''}`,
      {},
    )
  }
  return { region: region ?? null, node: node ?? null, nodes }
}
