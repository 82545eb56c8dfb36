import { describe, expect, it } from 'vitest'
import { TunnelLosses } from '../../../server/collector/signals/tunnel-losses.ts'

describe('losses of tunnels', () => {
  it('are forgotten whole, also those that made room: a node that makes host ids up does not fill the memory', () => {
    const losses = new TunnelLosses()
    const loss = (index: number) => ({
      hostId: `host-${index}`,
      node: 'fra-1',
      at: index,
      code: 1006,
      explained: false,
    })
    for (let index = 0; index < 120_000; index += 1) losses.add(loss(index))
    expect(losses.all().length).toBeLessThanOrEqual(100_000)
    losses.prune(3_600_000)
    expect(losses.all()).toEqual([])
    const known = Array.from({ length: 120_000 }, (_, index) => losses.knows(`host-${index}`, index))
    expect(known.filter(Boolean)).toHaveLength(0)
  })
})
