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
