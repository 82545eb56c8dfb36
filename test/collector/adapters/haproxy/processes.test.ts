import { expect, it } from 'vitest'
import type { ProcessInfo } from '../../../../server/collector/adapters/haproxy/process-info.ts'
import { Processes } from '../../../../server/collector/adapters/haproxy/processes.ts'
import type { HaproxyTarget } from '../../../../server/collector/adapters/haproxy/target.ts'

const entry = (id: string, more: Partial<HaproxyTarget> = {}): HaproxyTarget => ({
  id,
  region: 'fra',
  kind: 'haproxy',
  url: '',
  embedded: false,
  address: `${id}:9999`,
  ...more,
})
const info = (connections: number, more: Partial<ProcessInfo> & { node?: string } = {}): ProcessInfo => ({
  version: '3.0',
  pid: 8,
  startedAt: 1_000,
  uptimeMs: 60_000,
  isStopping: false,
  processes: 1,
  number: 1,
  lines: { node: more.node ?? 'edge', CumConns: String(connections) },
  ...more,
})

it('knows entries of one process, or of one server of it, and no others', () => {
  const processes = new Processes()
  processes.see(entry('a', { socket: '/run/a.sock' }), 0, info(10))
  processes.see(entry('b'), 100, info(11))
  processes.see(entry('elsewhere'), 200, info(12, { node: 'other' }))
  processes.see(entry('later'), 300, info(13, { startedAt: 1_001 }))
  for (const id of ['s1', 's2']) processes.see(entry(id, { backend: 'web', server: 'web-1' }), 400, info(14))
  processes.see(entry('s3', { backend: 'web', server: 'web-2' }), 500, info(15))
  const twins = Object.fromEntries(
    ['a', 'b', 'elsewhere', 'later', 's1', 's2', 's3'].map((id) => [id, processes.twinsOf(id)]),
  )
  expect(twins).toEqual({ a: ['b'], b: ['a'], elsewhere: [], later: [], s1: ['s2'], s2: ['s1'], s3: [] })
  // The pools of one process have one name, wherever they are read.
  expect(processes.nameOf(entry('s1', { address: 's1:9999' }))).toBe('/run/a.sock')
  expect(processes.nameOf(entry('s3'))).toBe('/run/a.sock')
})

it('tells two that were started alike apart by what they count', () => {
  const processes = new Processes()
  processes.see(entry('a'), 0, info(5_000))
  processes.see(entry('b'), 100, info(40))
  expect(processes.twinsOf('a')).toEqual(['b'])
  processes.see(entry('a'), 5_000, info(5_100))
  processes.see(entry('b'), 8_000, info(50))
  expect([processes.twinsOf('a'), processes.twinsOf('b')]).toEqual([[], []])
})

it('forgets one that leaves, and one that became another process', () => {
  const processes = new Processes()
  processes.see(entry('a'), 0, info(10))
  processes.see(entry('b'), 0, info(10))
  processes.see(entry('c'), 0, info(10))
  processes.forget('c')
  processes.see(entry('b'), 1, info(1, { pid: 9 }))
  expect(['a', 'b', 'c'].map((id) => processes.twinsOf(id))).toEqual([[], [], []])
  // Before 2.5 nobody says when it began.
  processes.see(entry('d'), 2, info(10, { startedAt: null }))
  expect(processes.twinsOf('d')).toEqual([])
})
