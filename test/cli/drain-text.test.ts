import { describe, expect, it } from 'vitest'
import { planText, progressText, reportText } from '../../server/cli/drain-text.ts'
import { table } from '../../server/cli/output.ts'
import type { DrainPlan, DrainReport, DrainStep } from '../../server/contract/drains.ts'
import { drain } from '../store/fixtures.ts'

const step = (more: Partial<DrainStep>): DrainStep => ({
  node: 'fra-1',
  phase: 'tunnels',
  startedAt: null,
  endedAt: null,
  remaining: { tunnels: 1, connections: 2, requests: 0, pushes: 0 },
  ...more,
})
const withSteps = (...steps: DrainStep[]) => drain('d1', { state: 'running', steps }).drain

describe('what the command line says of drains', () => {
  it.each<[DrainStep, string]>([
    [step({}), 'running: fra-1 moving tunnels (1 tunnel, 2 connections left)'],
    [
      step({ remaining: { tunnels: 1_240, connections: 1, requests: 0, pushes: 0 } }),
      'running: fra-1 moving tunnels (1 240 tunnels, 1 connection left)',
    ],
    [step({ remaining: null }), 'running: fra-1 moving tunnels'],
    [
      step({
        phase: 'connections',
        remaining: { tunnels: null, connections: 2, requests: null, pushes: null },
      }),
      'running: fra-1 finishing connections (2 connections left)',
    ],
    [step({ phase: 'waiting' }), 'running: fra-1 waiting'],
    [step({ phase: 'done', outcome: 'kept_serving' }), 'running: fra-1 kept serving'],
  ])('a step as a line: %#', (each, line) => {
    expect(progressText(withSteps(each))).toBe(line)
  })

  it.each<[string, Partial<DrainPlan['moves'][number]>, string[]]>([
    [
      'of programs that hold no tunnels has no column for them',
      { requests: 3 },
      ['node', 'connections', 'requests'],
    ],
    ['of nodes that count nothing says that it is not known', { connections: null }, ['node', 'connections']],
    [
      'of a node that counts everything has all of them',
      { tunnels: 0, requests: 0, pushes: 0 },
      ['node', 'tunnels', 'connections', 'requests', 'pushes'],
    ],
  ])('a plan %s', (_title, counts, columns) => {
    const move = { node: 'gw-1', tunnels: null, connections: 2, requests: null, pushes: null, ...counts }
    const plan: DrainPlan = {
      moves: [move],
      nodes: [{ node: 'gw-1', kind: 'nginx', verb: 'webhook: POST 10.0.0.9:9400/', proof: 'counted' }],
      forecast: [],
      phases: [],
      blockers: [],
      warnings: [],
      totalSeconds: 50,
    }
    const [, head = '', row = ''] = planText('fra', plan).split('\n')
    expect(head.trim().split(/\s+/)).toEqual(columns)
    expect(row.includes('unknown')).toBe(move.connections === null)
  })

  it('a report with one of each in the singular, and what was not measured as such', () => {
    const report: DrainReport = {
      gaps: { count: 0, moved: 1, stayed: 0, missing: 0, p50Ms: null, p99Ms: null, maxMs: 12.4 },
      connections: { finished: 1, aborted: 0 },
      requestsFailed: 1,
      phases: [],
      moves: [],
      durationMs: 8_400,
      notes: ['fra-1 was slow'],
    }
    expect(reportText(drain('d1', { state: 'drained', report }).drain)).toBe(
      [
        'Drain d1 is drained after 8.4 s',
        '  tunnels      0 in scope: 1 moved, 0 stayed, 0 missing; gap p50 not measured, p99 not measured, max 12 ms',
        '  connections  1 finished, 0 aborted; 1 request failed',
        '  note         fra-1 was slow',
      ].join('\n'),
    )
  })

  it('a report of programs that hold no tunnels says nothing of them, and a dash for what was not counted', () => {
    const report: DrainReport = {
      gaps: { count: 0, moved: 0, stayed: 0, missing: 0, p50Ms: null, p99Ms: null, maxMs: null },
      connections: { finished: 3, aborted: null },
      requestsFailed: null,
      phases: [],
      moves: [],
      durationMs: 8_400,
      notes: [],
    }
    expect(reportText(drain('d1', { state: 'drained', report }).drain)).toBe(
      [
        'Drain d1 is drained after 8.4 s',
        '  connections  3 finished, – aborted; failed requests are not counted',
      ].join('\n'),
    )
  })

  it('a plan with its table, its blockers and its warnings', () => {
    const text = planText('fra', {
      moves: [{ node: 'fra-1', tunnels: 12, connections: 3, requests: 0, pushes: 0 }],
      nodes: [
        { node: 'fra-1', kind: 'tidegate', verb: 'its own drain: POST /drain', proof: 'counted' },
        { node: 'push-1', kind: 'json', verb: null, proof: 'none' },
      ],
      forecast: [],
      phases: [],
      totalSeconds: 9,
      blockers: [{ code: 'no_room', message: 'Nobody else serves' }],
      warnings: [{ code: 'slow', message: 'iad is slow' }],
    })
    expect(text.split('\n')).toEqual([
      'Plan for fra, about 9 s:',
      'node   tunnels  connections  requests  pushes',
      'fra-1       12            3         0       0',
      '',
      'How each node is taken out:',
      'node    kind      by                          proof',
      'fra-1   tidegate  its own drain: POST /drain  its connections are counted',
      'push-1  json      nothing                     –',
      'BLOCKED  Nobody else serves',
      'warning  iad is slow',
    ])
  })

  it('a plan in which not everything is known', () => {
    const unknown = { connections: null, tunnels: null, requests: null, pushes: null }
    const text = planText('fra', {
      moves: [{ node: 'fra-1', ...unknown, tunnels: 12 }],
      nodes: [],
      forecast: [],
      phases: [],
      totalSeconds: 9,
      blockers: [],
      warnings: [],
    })
    expect(text.split('\n')[2]).toBe('fra-1       12  unknown      unknown   unknown')
  })

  it('a table whose unknown cells are dashes', () => {
    expect(table(['a', 'n'], [['x', null]])).toBe('a  n\nx  –')
  })
})
