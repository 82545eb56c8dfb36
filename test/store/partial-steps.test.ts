import { describe, expect, it } from 'vitest'
import { type CountedPoint, wholeSteps } from '../../server/store/partial-steps.ts'

const STEP = 1_000
/** Each node carries ten; null is a step without any sample. */
const of = (nodes: (number | null)[]) =>
  wholeSteps(
    nodes.flatMap((count, index): CountedPoint[] =>
      count === null ? [] : [{ nodes: count, point: [index * STEP, count * 10, count * 10, count * 10] }],
    ),
    STEP,
  )
const kept = (nodes: (number | null)[]) => of(nodes).points.map(([t]) => t / STEP)

describe('steps in which only some nodes were measured', () => {
  it('are no drop: at both edges of a gap', () => {
    expect(kept([6, 6, 2, null, null, null, null, 3, 6, 6])).toEqual([0, 1, 8, 9])
  })
  it('are no drop: after a start', () => {
    expect(kept([1, 4, 6, 6])).toEqual([2, 3])
  })
  it('are no drop: where one poll failed, or a ramp of them', () => {
    expect(kept([6, 5, 6])).toEqual([0, 2])
    expect(kept([6, 3, 5, 6])).toEqual([0, 3])
    expect(of([6, 5, 6]).partial).toEqual([{ from: 1_000, to: 2_000 }])
  })
  it('do not hide a node that stays away', () => {
    expect(kept([6, 5, 5, 5, 6])).toEqual([0, 1, 2, 3, 4])
  })
  it('wait at the newest end until the next step tells, without a hatch that would have to go again', () => {
    expect(kept([6, 6, 4])).toEqual([0, 1])
    expect(of([6, 6, 4]).partial).toEqual([])
    expect(kept([6, 6, 4, 4])).toEqual([0, 1, 2, 3])
  })
  it('are all whole where there is one node', () => {
    expect(kept([1, 1, null, null, null, 1])).toEqual([0, 1, 5])
  })
})
