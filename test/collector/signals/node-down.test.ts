import { describe, expect, it } from 'vitest'
import { nodeDown } from '../../../server/collector/signals/node-down.ts'
import type { NodeView } from '../../../server/collector/signals/rule.ts'
import { lookAt, scriptedView } from './scripted-view.ts'

describe('node.down', () => {
  interface Script extends Partial<NodeView> {
    unreachableSince?: number
    open?: boolean
    others?: NodeView['state'][]
  }
  const verdict = ({ unreachableSince, open = false, others = ['up'], ...node }: Script) =>
    nodeDown.verdict(
      null,
      lookAt(
        nodeDown,
        scriptedView({
          nodes: [
            { id: 'fra-1', state: 'down', downSince: 1_000, problems: ['refused'], ...node },
            ...others.map((state, index) => ({ id: `fra-${index + 2}`, state })),
          ],
          unreachableSince: unreachableSince ?? null,
        }),
        { now: 61_000, open: open ? { startedAt: 1_000, openedAt: 4_000, memory: null } : null },
      ),
    )

  it.each<[string, Script, string]>([
    ['opens for a node that is announced to be down', {}, 'open'],
    ['closes when it answers', { state: 'up', downSince: null }, 'closed'],
    ['closes for a drained node that answers', { state: 'drained', downSince: null }, 'closed'],
    ['holds while it is unknown', { state: 'unknown' }, 'hold'],
    ['leaves it to the region', { unreachableSince: 1_000 }, 'closed'],
    ['keeps its own when it was down before its region', { unreachableSince: 1_000, open: true }, 'open'],
    ['is quiet about what was wanted', { away: true }, 'closed'],
    ['waits until it is announced', { downSince: null }, 'closed'],
  ])('%s', (_title, script, state) => {
    expect(verdict(script).state).toBe(state)
  })

  it.each<[NodeView['state'][], string, string]>([
    [[], 'critical', 'no other node of fra serves'],
    [['down', 'drained'], 'critical', 'no other node of fra serves'],
    [['up'], 'warning', '1 other node of fra serves'],
    [['up', 'degraded', 'down'], 'warning', '2 other nodes of fra serve'],
  ])('beside %j is %s', (others, severity, words) => {
    expect(verdict({ others })).toMatchObject({
      severity,
      sentence: `fra-1 does not answer (refused); ${words}`,
      impact: 'fra-1 down for 60 s',
    })
  })

  it.each<[NodeView['outcome'], string]>([
    ['bad_status', 'gives no good answer'],
    ['bad_body', 'gives no good answer'],
    ['too_large', 'gives no good answer'],
    ['redirect', 'gives no good answer'],
    ['wrong_node', 'gives no good answer'],
    ['refused', 'does not answer'],
    ['timeout', 'does not answer'],
    ['dns', 'does not answer'],
    [null, 'does not answer'],
  ])('of a node whose polls end in %s says that it %s', (outcome, words) => {
    expect(verdict({ outcome })).toMatchObject({
      sentence: `fra-1 ${words} (refused); 1 other node of fra serves`,
    })
  })
})
