import { expect, it } from 'vitest'
import { SpokenProgress } from '../../server/cli/spoken-progress.ts'
import type { Drain, DrainStep } from '../../server/contract/drains.ts'
import { drain } from '../store/fixtures.ts'

const at = (connections: number, more: Partial<DrainStep> = {}, over: Partial<Drain> = {}): Drain =>
  drain('d1', {
    state: 'running',
    note: `Waiting for ${connections} connection${connections === 1 ? '' : 's'} of web-1 to end`,
    steps: [
      {
        node: 'web-1',
        phase: 'connections',
        startedAt: null,
        endedAt: null,
        remaining: { connections, requests: null, tunnels: null, pushes: null },
        ...more,
      },
    ],
    ...over,
  }).drain

it('says one line where something changed, and where only numbers do one in half a minute', () => {
  const spoken = new SpokenProgress()
  expect(spoken.next(at(1_240), 0)).toContain('1 240 connections left')
  expect(spoken.next(at(1_240), 500)).toBeNull()
  expect(spoken.next(at(12), 1_000)).toBeNull()
  expect(spoken.next(at(1), 29_999)).toBeNull()
  expect(spoken.next(at(1), 30_000)).toContain('1 connection left')
  expect(spoken.next(at(0, { phase: 'proving' }), 30_100)).toContain('proving')
  expect(spoken.next(at(0, { phase: 'proving' }), 30_600)).toBeNull()
  const failing = { note: 'web-1: the webhook at ops/drain answered 500' }
  expect(spoken.next(at(0, { phase: 'proving' }, failing), 31_000)).toContain('answered 500')
  expect(
    spoken.next(at(0, { phase: 'proving' }, { ...failing, version: 2, state: 'paused' }), 31_500),
  ).toContain('paused')
})

it('takes numbers within names for names, and not the names after a colon for news', () => {
  const spoken = new SpokenProgress()
  const note = (text: string) => spoken.next(at(0, {}, { note: text }), 0) !== null
  expect(note('web-1 does not answer; the drain waits for it')).toBe(true)
  expect(note('web-2 does not answer; the drain waits for it')).toBe(true)
  expect(note("Waiting for 3 of fra-1's tunnels to register elsewhere: a, b, c")).toBe(true)
  expect(note("Waiting for 2 of fra-1's tunnels to register elsewhere: b, c")).toBe(false)
  expect(note('web-2 still takes 2.5 connections/s although it was asked to go')).toBe(true)
  expect(note('web-2 still takes 1 connection/s although it was asked to go')).toBe(false)
})
