import { describe, expect, it } from 'vitest'
import { coveringOf, isActive } from '../../../server/collector/maintenance/coverage.ts'
import type { StoredMaintenance } from '../../../server/store/store.ts'
import { iso, start } from '../../store/fixtures.ts'

const HOUR = 3_600_000
const window = (id: string, more: Partial<StoredMaintenance> = {}): StoredMaintenance => ({
  id,
  title: id,
  reason: 'x',
  from: iso(start),
  to: iso(start + HOUR),
  regions: [],
  nodes: [],
  createdAt: iso(start),
  createdBy: 'ana',
  ...more,
})
const regionOf = (node: string): string | null => (/^\w{3}-\d$/.test(node) ? node.slice(0, 3) : null)
const node = (id: string) => ({ regions: [id.slice(0, 3)], nodes: [id] })

describe('what a maintenance window covers', () => {
  it.each<[string, Partial<StoredMaintenance>[], { regions: string[]; nodes: string[] }, string | null]>([
    ['a node by its region', [{ regions: ['fra'] }], node('fra-1'), '0'],
    ['a node by its name', [{ nodes: ['fra-1'] }], node('fra-1'), '0'],
    ['everything by a window of the whole fleet', [{}], node('iad-2'), '0'],
    ['not a node beside it', [{ nodes: ['fra-1'] }], node('fra-2'), null],
    ['not another region', [{ regions: ['fra'] }], node('iad-1'), null],
    ['a region as such', [{ regions: ['fra'] }], { regions: ['fra'], nodes: [] }, '0'],
    ['not a region by one of its nodes', [{ nodes: ['fra-1'] }], { regions: ['fra'], nodes: [] }, null],
    [
      'all nodes of a region by their names',
      [{ nodes: ['fra-1', 'fra-2'] }],
      { regions: ['fra'], nodes: ['fra-1', 'fra-2'] },
      '0',
    ],
    [
      'not two nodes of which it names one',
      [{ nodes: ['fra-1'] }],
      { regions: ['fra'], nodes: ['fra-1', 'fra-2'] },
      null,
    ],
    [
      'nodes of two regions by two windows',
      [{ regions: ['fra'] }, { nodes: ['iad-1'] }],
      { regions: ['fra', 'iad'], nodes: ['fra-1', 'iad-1'] },
      '0',
    ],
    [
      'not a region of which no node is named, beside nodes that it covers',
      [{ regions: ['fra'] }],
      { regions: ['fra', 'iad'], nodes: ['fra-1'] },
      null,
    ],
    [
      'a node that is configured no more, by the whole fleet alone',
      [{}],
      { regions: [], nodes: ['gone'] },
      '0',
    ],
    [
      'nothing else that is configured no more',
      [{ regions: ['fra'] }],
      { regions: [], nodes: ['gone'] },
      null,
    ],
    ['nothing of the room itself, which is no node', [{}], { regions: [], nodes: [] }, null],
  ])('covers %s', (_, windows, whom, expected) => {
    const all = windows.map((more, index) => window(String(index), more))
    expect(coveringOf(all, whom, start, regionOf)?.id ?? null).toBe(expected)
  })

  it.each([
    [-1, false],
    [0, true],
    [HOUR - 1, true],
    [HOUR, false],
  ])('counts from its first instant to before its last: %i ms', (after, expected) => {
    expect(isActive(window('w'), start + after)).toBe(expected)
    expect(coveringOf([window('w')], node('fra-1'), start + after, regionOf) !== null).toBe(expected)
  })

  it('leaves no instant between two windows that meet', () => {
    const second = window('second', { from: iso(start + HOUR), to: iso(start + 2 * HOUR) })
    const at = (after: number) =>
      coveringOf([window('first'), second], node('fra-1'), start + after, regionOf)?.id
    expect([at(HOUR - 1), at(HOUR)]).toEqual(['first', 'second'])
  })

  it('names of overlapping windows the one that ends last, and of several that are needed the one that ends first', () => {
    const long = window('long', { regions: ['fra'], to: iso(start + 2 * HOUR) })
    const other = window('other', { regions: ['iad'], to: iso(start + HOUR / 2) })
    expect(coveringOf([window('short'), long], node('fra-1'), start, regionOf)?.id).toBe('long')
    const both = { regions: ['fra', 'iad'], nodes: [] }
    expect(coveringOf([long, other], both, start, regionOf)?.id).toBe('other')
  })
})
