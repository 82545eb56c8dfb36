import { describe, expect, it } from 'vitest'
import { DrainList } from '@/components/drains/drain-list.tsx'
import { FleetNodeTable, NodeTable } from '@/components/nodes/node-table.tsx'
import { RegionCard } from '@/components/regions/region-card.tsx'
import { RegionTable } from '@/components/regions/region-table.tsx'
import { AuditLog } from '@/components/settings/audit-log.tsx'
import { TokenSettings } from '@/components/settings/token-settings.tsx'
import { TunnelTable } from '@/components/tunnels/tunnel-table.tsx'
import type { Node, Region } from '@/server/contract/fleet.ts'
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

const region = { id: 'fra', name: 'Frankfurt', state: 'up', intent: 'serving', up: 60, nodes: 60 } as Region

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

  it('has no column of a number that nobody here has', () => {
    const heads = (element: Parameters<typeof render>[0], answers: [readonly unknown[], unknown][] = []) =>
      buttonsOf(render(element, { answers })).join(' ')
    const proxies = [node('lb-1', { kind: 'haproxy', numbers: { connections: 3, requests: 9 } })]
    expect(
      heads(<NodeTable nodes={proxies} strips={undefined} measures={['connections', 'requests']} />),
    ).toBe('Node State Since Connections Poll Problems')
    const fleet = {
      at,
      regions: [
        {
          id: 'fra',
          name: 'Frankfurt',
          state: 'up',
          intent: 'serving',
          measures: ['connections'],
          up: 1,
          nodes: 1,
        },
      ],
      nodes: proxies.map((each) => ({ ...each, version: null, lastAnswerAt: at })),
    }
    const answers: [readonly unknown[], unknown][] = [[['overview'], fleet]]
    expect(heads(<FleetNodeTable nodes={proxies} />, answers)).toBe(
      'Node State Since Region Kind Connections Poll Problems',
    )
    // What a filter leaves changes no columns, and neither does it that nobody answers at the moment.
    expect(heads(<FleetNodeTable nodes={[]} />, answers)).toContain('Connections')
    expect(heads(<RegionTable />, answers)).toBe('Region State Wanted Up Connections')
    // Of who never answered it is not known what it has.
    const never = {
      ...fleet,
      regions: [{ ...fleet.regions[0], measures: [] }],
      nodes: [node('lb-1', { lastAnswerAt: null })],
    }
    expect(heads(<RegionTable />, [[['overview'], never]])).toBe('Region State Wanted Up Tunnels Connections')
  })

  it('of many nodes draws only those on screen, and a card of them those that need somebody', () => {
    const many = Array.from({ length: 60 }, (_, index) => node(`n${index}`))
    expect(render(<NodeTable nodes={many} strips={undefined} />)).toContain('aria-rowcount="61"')
    expect(render(<NodeTable nodes={many.slice(0, 9)} strips={undefined} />)).not.toContain('aria-rowcount')
    expect(render(<RegionCard region={{ ...region, nodes: 60 }} nodes={many} strip={undefined} />)).toContain(
      '48 more, all up',
    )
    const one = many.map((each, index) => (index === 50 ? { ...each, state: 'down' as const } : each))
    const card = wordsOf(render(<RegionCard region={region} nodes={one} strip={undefined} />))
    expect(card).toMatch(/n50\s?down/)
    expect(card).toContain('48 more, all up')
  })

  it('of drains speaks of tunnels where a drain had some', () => {
    const drain = (id: string, ...moves: unknown[]) => ({
      ...{ id, region: 'fra', reason: 'kernel', state: 'resumed', createdAt: at, createdBy: 'ana', moves },
      report: {
        gaps: { count: 0, moved: 0, stayed: moves.length, p99Ms: null, missing: 0 },
        durationMs: 9_000,
      },
    })
    const heads = (...items: unknown[]) =>
      buttonsOf(render(<DrainList />, { answers: [[['drains'], { items, nextCursor: null }]] })).join(' ')
    expect(heads(drain('a'))).toBe('State Of Reason Started By Took')
    expect(heads(drain('a'), drain('b', {}))).toContain('Moved Stayed Gap p99 Missing')
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
