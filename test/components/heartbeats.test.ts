import { expect, it } from 'vitest'
import { cellWords, stripWords } from '@/components/fleet/heartbeat-words.ts'
import type { HeartbeatCell } from '@/server/contract/fleet.ts'

const at = Date.parse('2026-11-21T14:57:20.000Z')
const up: HeartbeatCell = { at, state: 'up', note: null }
const down: HeartbeatCell = { at, state: 'down', note: 'refused: ECONNREFUSED' }

it('reads one beat with its time, its state and its reason', () => {
  expect(cellWords(down, at, 'utc')).toBe('14:57:20 down, refused: ECONNREFUSED')
  expect(cellWords(up, at, 'utc')).toBe('14:57:20 up')
  expect(cellWords(null, at, 'utc')).toBe('14:57:20 not asked')
})

it('tells a region with a dead node from a healthy one, and dead from not measured', () => {
  const strip = { from: at - 360_000, to: at, cellMs: 120_000 }
  expect(stripWords({ ...strip, cells: [up, up, up] })).toBe('last 6\u202fmin: up')
  expect(stripWords({ ...strip, cells: [up, down, null] })).toBe(
    'last 6\u202fmin: down 1 of 3 times, not asked 1 of 3 times',
  )
})
