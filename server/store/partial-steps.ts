import type { Point, SeriesGap } from '../contract/index.ts'

/** A point of a sum over nodes, with how many of them were measured in its step. */
export interface CountedPoint {
  point: Point
  nodes: number
}

/** Why a step is hatched. */
export const partlyMeasured = 'not every node was measured'

/** Two steps without a point are a hole. */
const HOLE_STEPS = 2.5

/**
 * Takes out the steps of a sum in which only some nodes were measured, because their missing part would look like a drop: at both edges
 * of a hole, after a start, and where one poll failed. A count that stays lower is a fact about the nodes, not about the step: the
 * decisive step is the first one after which it did not rise again.
 *
 * @param counted the steps in order, all of one metric
 * @param step milliseconds
 * @returns the points that hold every node, and the spans of the others; a newest step that may still become complete has no span
 */
export const wholeSteps = (
  counted: readonly CountedPoint[],
  step: number,
): { points: Point[]; partial: Pick<SeriesGap, 'from' | 'to'>[] } => {
  const points: Point[] = []
  const partial: Pick<SeriesGap, 'from' | 'to'>[] = []
  let whole: CountedPoint | null = null
  counted.forEach((here, index) => {
    const t = here.point[0]
    const next = counted[index + 1]
    const before = whole !== null && t - whole.point[0] <= HOLE_STEPS * step ? whole : null
    const after = next && next.point[0] - t <= HOLE_STEPS * step ? next : null
    const fell = before !== null && here.nodes < before.nodes && (after === null || after.nodes > here.nodes)
    const starts = before === null && after !== null && here.nodes < after.nodes
    if (!fell && !starts) {
      points.push(here.point)
      whole = here
    } else if (next) partial.push({ from: t, to: t + step })
  })
  return { points, partial }
}
