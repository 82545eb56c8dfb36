import { describe, expect, it } from 'vitest'
import { type Judgement, unknownJudgement } from '../../../server/collector/judgement/judge.ts'
import { type Announced, announce } from '../../../server/collector/judgement/outages.ts'

const window = () => 8_000
const none = (): Announced => ({ nodes: new Map(), regions: new Map() })
const node = (id: string, state: Judgement['state'], badSince: number | null = null) => ({
  id,
  region: id.slice(0, 3),
  judgement: { ...unknownJudgement(0), state, badSince, problems: badSince === null ? [] : ['refused: no'] },
})
const kinds = (told: ReturnType<typeof announce>) =>
  told.announcements.map(
    (news) => `${news.kind} ${news.kind === 'region.unreachable' ? news.region : news.node}`,
  )

describe('announce', () => {
  it('tells of one node that is down, once', () => {
    const nodes = [node('fra-1', 'down', 1_000), node('fra-2', 'up')]
    const first = announce(nodes, none(), window)
    expect(kinds(first)).toEqual(['node.down fra-1'])
    expect(kinds(announce(nodes, first.announced, window))).toEqual([])
  })

  it('waits while the whole region is failing, then tells of the region alone', () => {
    const waiting = announce([node('fra-1', 'down', 1_000), node('fra-2', 'up', 2_000)], none(), window)
    expect(kinds(waiting)).toEqual([])
    const all = announce(
      [node('fra-1', 'down', 1_000), node('fra-2', 'down', 2_000)],
      waiting.announced,
      window,
    )
    expect(kinds(all)).toEqual(['region.unreachable fra'])
  })

  it('tells of the node when the other one answered after all', () => {
    const waiting = announce([node('fra-1', 'down', 1_000), node('fra-2', 'up', 2_000)], none(), window)
    const told = announce([node('fra-1', 'down', 1_000), node('fra-2', 'up')], waiting.announced, window)
    expect(kinds(told)).toEqual(['node.down fra-1'])
  })

  it('tells of each node where they went one after the other', () => {
    const first = announce([node('fra-1', 'down', 1_000), node('fra-2', 'up')], none(), window)
    const second = announce(
      [node('fra-1', 'down', 1_000), node('fra-2', 'down', 60_000)],
      first.announced,
      window,
    )
    expect(kinds(second)).toEqual(['node.down fra-2'])
  })

  it('tells of the region where its quick nodes were told before a slow one that fell with them was asked', () => {
    const minutes = () => 240_000
    const quick = [node('fra-1', 'down', 1_000), node('fra-2', 'down', 2_000)]
    const first = announce([...quick, node('fra-3', 'up')], none(), minutes)
    expect(kinds(first)).toEqual(['node.down fra-1', 'node.down fra-2'])
    const failing = announce([...quick, node('fra-3', 'up', 50_000)], first.announced, minutes)
    expect(kinds(failing)).toEqual([])
    const all = announce([...quick, node('fra-3', 'down', 50_000)], failing.announced, minutes)
    expect(all.announcements).toMatchObject([
      { kind: 'region.unreachable', region: 'fra', nodes: ['fra-1', 'fra-2', 'fra-3'], since: 1_000 },
    ])
    expect(kinds(announce([...quick, node('fra-3', 'down', 50_000)], all.announced, minutes))).toEqual([])
    const back = announce(
      [node('fra-1', 'up'), ...quick.slice(1), node('fra-3', 'down', 50_000)],
      all.announced,
      minutes,
    )
    expect(kinds(back)).toEqual(['node.recovered fra-1'])
    expect(back.announced.regions.size).toBe(0)
  })

  it.each([
    ['at the end of the window', 9_000, 'region.unreachable fra'],
    ['just after it', 9_001, 'node.down fra-2'],
  ])(
    'takes one that falls later for the rest of the region until the window is over: %s',
    (_, since, told) => {
      const first = announce([node('fra-1', 'down', 1_000), node('fra-2', 'up')], none(), window)
      const second = announce(
        [node('fra-1', 'down', 1_000), node('fra-2', 'down', since)],
        first.announced,
        window,
      )
      expect(kinds(second)).toEqual([told])
    },
  )

  it('never calls a region of one node unreachable', () => {
    expect(kinds(announce([node('fra-1', 'down', 1_000)], none(), window))).toEqual(['node.down fra-1'])
  })

  it('tells of recoveries, and keeps unknown apart', () => {
    const down = announce([node('fra-1', 'down', 1_000), node('fra-2', 'down', 1_000)], none(), window)
    const unknown = announce([node('fra-1', 'unknown'), node('fra-2', 'unknown')], down.announced, window)
    expect(kinds(unknown)).toEqual([])
    const back = announce([node('fra-1', 'up'), node('fra-2', 'down', 1_000)], unknown.announced, window)
    expect(kinds(back)).toEqual(['node.recovered fra-1'])
    expect(back.announced.regions.size).toBe(0)
  })
})
