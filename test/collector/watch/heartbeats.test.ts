import { describe, expect, it } from 'vitest'
import { HEARTBEAT_CELLS, HeartbeatRings } from '../../../server/collector/watch/heartbeats.ts'

const start = 1_000 * 6_000
const rings = () => new HeartbeatRings(2_000)
const statesOf = (ring: HeartbeatRings, nodes: string[], now: number) =>
  ring
    .strips([{ scope: 's', nodes }], now)
    .strips[0]?.cells.slice(-3)
    .map((cell) => cell?.state ?? null)

describe('heartbeats', () => {
  it('keeps the worst poll of a cell, with its time and its reason', () => {
    const ring = rings()
    ring.beat('fra-1', start, 'up', null)
    ring.beat('fra-1', start + 2_000, 'down', 'refused: ECONNREFUSED')
    ring.beat('fra-1', start + 4_000, 'up', null)
    const { cellMs, strips } = ring.strips([{ scope: 'node:fra-1', nodes: ['fra-1'] }], start + 5_000)
    expect(cellMs).toBe(6_000)
    expect(strips[0]?.cells).toHaveLength(HEARTBEAT_CELLS)
    expect(strips[0]?.cells.at(-1)).toEqual({
      at: start + 2_000,
      state: 'down',
      note: 'refused: ECONNREFUSED',
    })
  })

  it('shows a region as its worst node, named, and what was not asked as nothing', () => {
    const ring = rings()
    ring.beat('fra-1', start, 'up', null)
    ring.beat('fra-2', start, 'down', 'timeout')
    ring.beat('fra-1', start + 12_000, 'up', null)
    expect(statesOf(ring, ['fra-1', 'fra-2'], start + 12_500)).toEqual(['down', null, 'up'])
    expect(
      ring.strips([{ scope: 's', nodes: ['fra-1', 'fra-2'] }], start).strips[0]?.cells.at(-1)?.note,
    ).toBe('fra-2: timeout')
  })

  it('forgets what slid out, and holds no more than one strip of a node', () => {
    const ring = rings()
    for (let beat = 0; beat < 1_000; beat++) ring.beat('fra-1', start + beat * 2_000, 'up', null)
    const late = start + 1_000 * 2_000 + HEARTBEAT_CELLS * 6_000
    expect(
      ring.strips([{ scope: 's', nodes: ['fra-1'] }], late).strips[0]?.cells.every((c) => c === null),
    ).toBe(true)
  })

  it('bears a clock that was set back', () => {
    const ring = rings()
    ring.beat('fra-1', start, 'up', null)
    ring.beat('fra-1', start - 6_000, 'degraded', null)
    expect(statesOf(ring, ['fra-1'], start)).toEqual([null, null, 'degraded'])
  })

  it('shows what is polled now when a clock that was an hour ahead is right again', () => {
    const ring = rings()
    const ahead = start + 3_600_000
    ring.beat('fra-1', start, 'up', null)
    ring.beat('fra-1', ahead, 'down', null)
    ring.beat('fra-1', ahead + 6_000, 'up', null)
    ring.beat('fra-1', start + 6_000, 'up', null)
    ring.beat('fra-1', start + 12_000, 'down', null)
    expect(statesOf(ring, ['fra-1'], start + 12_000)).toEqual(['up', 'up', 'down'])
  })

  it('lets the poll of a node that is asked seldom stand until the next one is due', () => {
    const ring = rings()
    ring.beat('slow-1', start, 'up', null)
    const cellsAt = (now: number) =>
      ring
        .strips([{ scope: 's', nodes: ['slow-1'] }], now, () => 24_000)
        .strips[0]?.cells.slice(-6)
        .map((cell) => cell?.state ?? null)
    expect(cellsAt(start + 18_000)).toEqual([null, null, 'up', 'up', 'up', 'up'])
    // Nothing is said of the time after that.
    expect(cellsAt(start + 30_000)).toEqual(['up', 'up', 'up', 'up', null, null])
    ring.beat('slow-1', start + 24_000, 'down', 'refused')
    expect(cellsAt(start + 30_000)).toEqual(['up', 'up', 'up', 'up', 'down', 'down'])
  })
})
