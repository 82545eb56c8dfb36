import { describe, expect, it } from 'vitest'
import { DrainList } from '@/components/drains/drain-list.tsx'
import { NodeTable } from '@/components/nodes/node-table.tsx'
import { AuditLog } from '@/components/settings/audit-log.tsx'
import { TokenSettings } from '@/components/settings/token-settings.tsx'
import { TunnelTable } from '@/components/tunnels/tunnel-table.tsx'
import type { Node } from '@/server/contract/fleet.ts'
import { buttonsOf, render, wordsOf } from './render.tsx'

const at = '2026-11-21T10:00:00.000Z'
const node = (id: string, over: Partial<Node> = {}): Node =>
  ({
    id,
    region: 'fra',
    kind: 'tidegate',
    embedded: false,
    state: 'up',
    intent: 'serving',
    problems: [],
    version: '0.1.0',
    since: at,
    lastPollAt: at,
    latencyMs: 4,
    lastOutcome: 'ok',
    clockSkewMs: null,
    streamState: 'live',
    numbers: { tunnels: 4, connections: 3 },
    ...over,
  }) as Node

describe('a table', () => {
  it('names what it holds, has a head for every column, and a button where it can be sorted', () => {
    const html = render(<NodeTable nodes={[node('fra-2'), node('fra-10')]} strips={undefined} />)
    expect(html).toContain('aria-label="Nodes, table"')
    expect(buttonsOf(html)).toEqual([
      'Node',
      'State',
      'Since',
      'Tunnels',
      'Connections',
      'Pushes delivered',
      'Poll',
      'Problems',
    ])
    expect([...html.matchAll(/data-node="([^"]*)"/g)].map((match) => match[1])).toEqual(['fra-2', 'fra-10'])
  })

  it('shows what is not known as such, and not as zero', () => {
    const html = render(
      <NodeTable nodes={[node('fra-1', { numbers: {}, latencyMs: null })]} strips={undefined} />,
    )
    const cells = [...html.matchAll(/<td class="num[^"]*"[^>]*>(.*?)<\/td>/g)].map((match) => match[1])
    expect(cells.slice(0, 3)).toEqual(['–', '–', '–'])
  })

  it('of thousands scrolls under a head that stays, and counts its rows', () => {
    const html = render(<TunnelTable tunnels={[]} />)
    expect(html).toContain('aria-rowcount="1"')
    expect(html).toContain('sticky')
  })

  it('is empty in words, and asks nothing of those who may not', () => {
    const empty = { items: [], nextCursor: null }
    expect(wordsOf(render(<DrainList />, { answers: [[['drains'], empty]] }))).toContain('No drains so far')
    expect(wordsOf(render(<AuditLog />, { answers: [[['audit'], empty]] }))).toContain('Nobody has done')
    expect(render(<TokenSettings />, { role: 'viewer' })).toBe('')
  })
})
