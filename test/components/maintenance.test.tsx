import { describe, expect, it } from 'vitest'
import { bandsOf, bandsWithin } from '@/components/charts/chart-band.ts'
import { ChartTable } from '@/components/charts/chart-table.tsx'
import { applyEvent } from '@/components/data/apply-event.ts'
import { endWords } from '@/components/maintenance/end-words.ts'
import { MaintenanceForm } from '@/components/maintenance/maintenance-form.tsx'
import { MaintenanceLists } from '@/components/maintenance/maintenance-lists.tsx'
import { MaintenanceMark } from '@/components/maintenance/maintenance-mark.tsx'
import { NEW_WINDOW, timeOfField, windowRequest } from '@/components/maintenance/window-request.ts'
import type { FleetEvent } from '@/server/contract/events.ts'
import type { MaintenanceWindow } from '@/server/contract/maintenance.ts'
import { buttonsOf, render, wordsOf } from './render.tsx'

const now = Date.parse('2026-04-27T18:00:00Z')
const HOUR = 3_600_000
const iso = (ms: number) => new Date(ms).toISOString()
const window = (id: string, more: Partial<MaintenanceWindow> = {}): MaintenanceWindow => ({
  id,
  title: `Kernel update ${id}`,
  reason: 'CVE-2026-1234',
  from: iso(now),
  to: iso(now + HOUR),
  regions: [],
  nodes: [],
  state: 'active',
  createdAt: iso(now),
  createdBy: 'ana@example.com',
  ...more,
})
const regionOf = (node: string) => node.slice(0, 3)
const page = (...items: MaintenanceWindow[]) => ({ items, nextCursor: null })

describe('bands of maintenance on charts', () => {
  const windows = [
    window('all'),
    window('fra', { regions: ['fra'] }),
    window('fra-1', { nodes: ['fra-1'] }),
    window('iad', { regions: ['iad'] }),
  ]
  it.each([
    [['fleet'], ['all', 'fra', 'fra-1', 'iad']],
    [['region:fra'], ['all', 'fra', 'fra-1']],
    [['node:fra-1'], ['all', 'fra', 'fra-1']],
    [['node:fra-2'], ['all', 'fra']],
    [
      ['node:fra-2', 'node:iad-1'],
      ['all', 'fra', 'iad'],
    ],
    [['region:sjc'], ['all']],
  ])('of %j are those of %j', (scopes, ids) => {
    expect(bandsOf(windows, scopes, regionOf).map(({ id }) => id)).toEqual(ids)
  })

  it('belong to a step that they touch, and to none beside it', () => {
    const bands = bandsOf([window('w')], ['fleet'], regionOf)
    const touches = (from: number, to: number) => bandsWithin(bands, from, to).length === 1
    expect([touches(now - 5, now), touches(now - 5, now + 1)]).toEqual([false, true])
    expect([touches(now + HOUR - 1, now + HOUR + 5), touches(now + HOUR, now + HOUR + 5)]).toEqual([
      true,
      false,
    ])
  })

  it('have a column in the table of a chart, where there are any', () => {
    const rows = [now - 10_000, now, now + HOUR].map((t) => ({ t, a: 1 }))
    const lines = [{ key: 'a', label: 'fra-1', color: 'red' }]
    const table = (bands: MaintenanceWindow[]) =>
      wordsOf(
        render(
          <ChartTable title="x" rows={rows} lines={lines} bands={bandsOf(bands, ['fleet'], regionOf)} />,
        ),
      )
    expect(table([])).not.toContain('Maintenance')
    expect(table([window('w')]).match(/Kernel update w/g)).toHaveLength(1)
  })
})

describe('the form that announces maintenance', () => {
  const filled = { ...NEW_WINDOW, title: 'Disks', reason: 'full', parts: ['region:fra', 'node:iad-1'] }

  it('means from now for an hour, of what is marked', () => {
    expect(windowRequest(filled, now, 'utc')).toEqual({
      values: {
        title: 'Disks',
        reason: 'full',
        from: iso(now),
        to: iso(now + HOUR),
        regions: ['fra'],
        nodes: ['iad-1'],
      },
    })
  })

  it('is of the whole fleet only where that was chosen', () => {
    expect(windowRequest({ ...filled, parts: [] }, now, 'utc')).toEqual({
      problems: { parts: 'Mark what it covers, or choose the whole fleet.' },
    })
    const all = windowRequest({ ...filled, of: 'all' }, now, 'utc')
    expect('values' in all && [all.values.regions, all.values.nodes]).toEqual([undefined, undefined])
  })

  it('reads a beginning in the zone of the page', () => {
    expect(timeOfField('2026-04-27T19:30', 'utc')).toBe(now + 1.5 * HOUR)
    const later = windowRequest(
      { ...filled, begins: '2026-04-27T19:30', length: String(2 * HOUR) },
      now,
      'utc',
    )
    expect(later).toMatchObject({ values: { from: iso(now + 1.5 * HOUR), to: iso(now + 3.5 * HOUR) } })
  })

  it('says of each field what it still needs', () => {
    expect(windowRequest({ ...NEW_WINDOW, begins: '2026-04-27T16:00' }, now, 'utc')).toEqual({
      problems: {
        begins: 'It would be over already.',
        parts: 'Mark what it covers, or choose the whole fleet.',
        reason: 'Say why; whoever is on call reads it.',
        title: 'Say what is done, for example: kernel update.',
      },
    })
    expect(windowRequest({ ...filled, begins: 'tomorrow' }, now, 'utc')).toEqual({
      problems: { begins: 'Write a date and a time, or leave it empty for now.' },
    })
  })

  it('is not there for a viewer, who is told why', () => {
    expect(wordsOf(render(<MaintenanceForm />, { role: 'viewer' }))).toBe(
      'Announcing maintenance needs the operator role; yours is viewer.',
    )
  })

  it('folds the nodes of a large region, unless a link led here for one of them', () => {
    const nodes = Array.from({ length: 40 }, (_, index) => ({ id: `n${index}`, region: 'fra' }))
    const overview = { regions: [{ id: 'fra', name: 'Frankfurt' }], nodes }
    const shown = (search: string) =>
      render(<MaintenanceForm />, { search, answers: [[['overview'], overview]] })
    expect(wordsOf(shown(''))).toContain('40 nodes')
    expect(shown('')).not.toContain('value="node:n7"')
    expect(shown('?node=n7')).toMatch(/<details[^>]* open="">.*value="node:n7"/)
  })

  it('has marked what the link that led here names', () => {
    const overview = { regions: [{ id: 'fra', name: 'Frankfurt' }], nodes: [{ id: 'fra-1', region: 'fra' }] }
    const html = render(<MaintenanceForm />, { search: '?node=fra-1', answers: [[['overview'], overview]] })
    expect(html).toContain('value="node:fra-1"')
    expect(buttonsOf(html)).toEqual(['Announce maintenance'])
  })
})

describe('the lists of maintenance', () => {
  const held = [
    { kind: 'node.down', scope: 'node:fra-1', sentence: 'fra-1 does not answer', since: iso(now) },
  ]
  const answers: [readonly unknown[], unknown][] = [
    [['maintenance', 'active'], page(window('now', { regions: ['fra'], held }))],
    [['maintenance', 'planned'], page(window('later', { state: 'planned', nodes: ['iad-1'] }))],
    [['maintenance', 'past'], page(window('before', { state: 'past', endedBy: 'ben@example.com' }))],
  ]

  it('say what is in force, what comes, what was, and what is held back', () => {
    const html = render(<MaintenanceLists />, { answers })
    const words = wordsOf(html)
    expect(words).toMatch(
      /Kernel update now.*fra.*Kernel update later.*iad-1.*Kernel update before.*the whole fleet/,
    )
    expect(words).toContain('ben@example.com')
    expect(words).toContain('fra-1 does not answer')
    expect(buttonsOf(html).filter((name) => /^(?:End|Remove) Kernel/.test(name))).toEqual([
      'End Kernel update now',
      'Remove Kernel update later',
    ])
  })

  it('say before one is ended what follows: what opens, who is told, and what stays', () => {
    const none = endWords(window('now', { regions: ['fra'] }))
    expect(none).toContain('what happens to fra opens incidents again')
    expect(none).toContain('it holds nothing back')
    const some = endWords(window('now', { held }))
    expect(some).toContain('the whole fleet')
    expect(some).toContain('opens an incident in the next second: fra-1 does not answer.')
    const many = Array.from({ length: 40 }, (_, index) => ({ ...held[0], sentence: `n${index} is away` }))
    expect(endWords(window('now', { held: many as never }))).toContain('n4 is away; 35 more.')
    expect(endWords(window('later', { state: 'planned', held }))).toMatch(/^It will not begin/)
  })

  it('have no buttons for a viewer', () => {
    const html = render(<MaintenanceLists />, { answers, role: 'viewer' })
    expect(wordsOf(html)).toContain('Kernel update now')
    expect(buttonsOf(html).filter((name) => /^(?:End|Remove) Kernel/.test(name))).toEqual([])
  })

  it('are read again when somebody announces or ends one', () => {
    const event = {
      id: 1,
      type: 'operator.acted',
      data: { object: 'maintenance:m1' },
    } as unknown as FleetEvent
    const cache = { get: () => undefined, eventLists: () => [], isFirst: () => false }
    const changes = (each: FleetEvent) =>
      applyEvent(cache, { type: 'event', topic: 'overview', event: each } as never).filter(
        (change) => change.do === 'stale',
      )
    expect(changes(event)).toEqual([{ do: 'stale', key: ['maintenance'] }])
    expect(changes({ ...event, data: { object: 'node:fra-1' } })).toEqual([])
  })
})

it('a mark says that something is in maintenance, until when and why, and leads there', () => {
  const mark = { id: 'm', title: 'Kernel update', reason: 'CVE', until: iso(now + HOUR) }
  expect(render(<MaintenanceMark mark={undefined} />)).toBe('')
  const html = render(<MaintenanceMark mark={mark} />)
  expect(wordsOf(html)).toMatch(/^In maintenance\s?until .*: Kernel update \(CVE\)$/)
  expect(html).toContain('href="/maintenance"')
  expect(wordsOf(render(<MaintenanceMark mark={mark} short />))).toBe('maintenance')
})
