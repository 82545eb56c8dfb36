import { describe, expect, it } from 'vitest'
import { regionUnreachable } from '../../../server/collector/signals/region-unreachable.ts'
import type { NodeView } from '../../../server/collector/signals/rule.ts'
import { lookAt, scriptedView } from './scripted-view.ts'

describe('region.unreachable', () => {
  const down: Partial<NodeView> = { state: 'down' }
  const verdict = (nodes: Partial<NodeView>[], unreachableSince: number | null, open: boolean) =>
    regionUnreachable.verdict(
      null,
      lookAt(
        regionUnreachable,
        scriptedView({
          nodes: nodes.map((node, index) => ({ id: `fra-${index + 1}`, ...node })),
          unreachableSince,
        }),
        { now: 5_000, open: open ? { startedAt: 1_000, openedAt: 2_000, memory: null } : null },
      ),
    )

  it.each<[string, Partial<NodeView>[], number | null, boolean, string]>([
    ['opens', [down, down], 1_000, false, 'open'],
    ['closes with the first answer', [down, { state: 'degraded' }], 1_000, true, 'closed'],
    ['holds after a restart of the collector', [down, { state: 'unknown' }], null, true, 'hold'],
    ['stays closed', [down, down], null, false, 'closed'],
    [
      'is quiet about what a drain took away',
      [
        { ...down, away: true },
        { ...down, away: true },
      ],
      1_000,
      false,
      'closed',
    ],
    ['opens where only one of two is away on purpose', [down, { ...down, away: true }], 1_000, false, 'open'],
  ])('%s', (_title, nodes, unreachableSince, open, state) => {
    expect(verdict(nodes, unreachableSince, open).state).toBe(state)
  })

  it('says which nodes went', () => {
    expect(verdict([down, down, down], 1_000, false)).toMatchObject({
      startedAt: 1_000,
      sentence: 'fra is unreachable: fra-1, fra-2 and fra-3 vanished within one interval of judging',
      impact: 'fra unreachable for 4 s',
    })
  })

  it('is not asked of a region of one node', () => {
    expect(regionUnreachable.scopes(scriptedView({ nodes: [{ id: 'fra-1' }] }))).toEqual([])
  })
})
