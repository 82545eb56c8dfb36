import { expect, it } from 'vitest'
import { NodeTargets } from '@/components/nodes/node-targets.tsx'
import { render, wordsOf } from './render.tsx'

const target = (route: string, name: string, over: object = {}) => ({
  route,
  target: name,
  healthy: true,
  reason: null,
  active: 3,
  latencyMs: 0.44,
  connectFailures: 0,
  unanswered: 0,
  ...over,
})

const shown = (targets: readonly object[], targetsTotal?: number): string => {
  const health = { proxy: { targets, ...(targetsTotal === undefined ? {} : { targetsTotal }) } }
  const node = { id: 'fra-1', kind: 'tidegate', listeners: [], health }
  return wordsOf(
    render(<NodeTargets node="fra-1" />, { answers: [[['node', 'fra-1'], node]], role: 'viewer' }),
  )
}

it('the targets of a node are shown with state, latency and connections, and why one is down', () => {
  const down = { healthy: false, reason: 'check_status', latencyMs: null, active: 0 }
  const words = shown([target('web', '10.0.0.7:80'), target('web', '10.0.0.8:80', down)])
  expect(words).toContain('web 10.0.0.7:80')
  expect(words).toContain('0.4 ms 3 0 0')
  expect(words).toContain('its health check was answered with an error')
  expect(words).toContain('– 0 0 0')
  expect(words).not.toContain('tried all the same')
})

it('a route of which no target is up is named, also when a node of an older version says less', () => {
  const old = { route: 'db', target: '10.0.0.9:5432', healthy: false, active: 0, connectFailures: 2 }
  const words = shown([target('web', '10.0.0.7:80'), old], 300)
  expect(words).toContain('No target of db is up: those that are down are tried all the same.')
  expect(words).toContain('– 0 2 –')
  expect(words).toContain('2 of 300 targets are shown')
})
