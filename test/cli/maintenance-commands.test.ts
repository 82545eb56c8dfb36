import { describe, expect, it } from 'vitest'
import { durationOf, windowOf } from '../../server/cli/maintenance-commands.ts'
import { iso, start } from '../store/fixtures.ts'

const MINUTE = 60_000
const said = { title: 'Kernel update', reason: 'CVE-2026-1234' }

describe('the options of a maintenance window', () => {
  it.each([
    ['90m', 90],
    ['2h', 120],
    ['1h30m', 90],
    ['1h 30min', 90],
    ['1d', 1_440],
    ['0.5h', 30],
    ['30s', 0.5],
  ])('%s is %d minutes', (text, minutes) => {
    expect(durationOf(text)).toBe(minutes * MINUTE)
  })

  it.each(['', 'h', '2', '2 weeks', '-1h', '0m', '2hours', 'in 2h'])('"%s" is not a duration', (text) => {
    expect(() => durationOf(text)).toThrow('is not a duration')
  })

  it('begin now, or when they say, and end after a duration or at a time', () => {
    const spanOf = (more: object) => {
      const { from, to } = windowOf({ ...said, ...more }, start)
      return [from, to]
    }
    const later = start + 10 * MINUTE
    expect(spanOf({ for: '2h' })).toEqual([iso(start), iso(start + 120 * MINUTE)])
    expect(spanOf({ from: iso(later), for: '5m' })).toEqual([iso(later), iso(later + 5 * MINUTE)])
    expect(spanOf({ to: iso(later) })).toEqual([iso(start), iso(later)])
    expect(() => spanOf({})).toThrow('Say when it ends')
    expect(() => spanOf({ to: iso(later), for: '2h' })).toThrow('Say when it ends')
    expect(() => spanOf({ to: 'tomorrow' })).toThrow('--to is "tomorrow"')
  })

  it('name regions and nodes, or neither for the whole fleet', () => {
    expect(windowOf({ ...said, for: '1h', region: ['fra'], node: ['iad-1'] }, start)).toMatchObject({
      regions: ['fra'],
      nodes: ['iad-1'],
    })
    expect(Object.keys(windowOf({ ...said, for: '1h' }, start)).sort()).toEqual([
      'from',
      'reason',
      'title',
      'to',
    ])
  })
})
