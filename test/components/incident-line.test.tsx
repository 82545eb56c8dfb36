import { expect, it } from 'vitest'
import { ExpectedContext } from '@/components/data/expected.ts'
import { IncidentLine } from '@/components/incidents/incident-line.tsx'
import { OpenIncidents } from '@/components/incidents/open-incidents.tsx'
import { RoomProblemLines } from '@/components/shell/room-problem-lines.tsx'
import { render, wordsOf } from './render.tsx'

const at = '2026-11-21T10:00:00.000Z'
const incident = {
  id: 'i1',
  title: 'fra-1 is down',
  severity: 'critical',
  state: 'open',
  startedAt: at,
  nodes: ['fra-1'],
  regions: ['fra'],
  signals: [{ kind: 'node.down', scope: 'node:fra-1', openedAt: at }],
}
const overview = (...incidents: unknown[]) => ({ at, incidents, problems: [], collector: { storeOk: true } })
const expecting = (openIncidents: number, element: Parameters<typeof render>[0]) => (
  <ExpectedContext value={{ openIncidents }}>{element}</ExpectedContext>
)

it('the line of an open incident has its place before the first answer, and gives it up where there is none', () => {
  const line = expecting(1, <IncidentLine />)
  const height = (html: string) => /min-h-\[\d+px\] sm:min-h-\[\d+px\]/.exec(html)?.[0]
  const place = render(line, { path: '/nodes' })
  expect(height(place)).toBeDefined()
  const shown = render(line, { path: '/nodes', answers: [[['overview'], overview(incident)]] })
  expect(height(shown)).toBe(height(place))
  expect(wordsOf(shown)).toContain('fra-1 is down')
  expect(render(line, { path: '/nodes', answers: [[['overview'], overview()]] })).toBe('')
  expect(render(expecting(0, <IncidentLine />), { path: '/nodes' })).toBe('')
  // The first page lists them, and the page of the only one is about it.
  expect(render(line, { path: '/' })).toBe('')
  expect(render(line, { path: '/incidents/i1' })).toBe('')
})

it('of very many incidents the first page shows the worst, and the way to the others', () => {
  const many = Array.from({ length: 40 }, (_, index) => ({ ...incident, id: `i${index}` }))
  const shown = (...incidents: unknown[]) =>
    wordsOf(render(<OpenIncidents />, { answers: [[['overview'], overview(...incidents)]] }))
  expect(shown(...many)).toContain('28 more open')
  expect(shown(...many.slice(0, 12))).not.toContain('more open')
})

it('problems of the room are a landmark of their own', () => {
  const problem = {
    code: 'configuration_refused',
    text: 'It is not in force.',
    remedy: 'Mend it.',
    since: at,
  }
  const html = render(<RoomProblemLines />, {
    answers: [[['overview'], { ...overview(), problems: [problem] }]],
  })
  expect(html).toMatch(/^<section aria-label="Problems of the control room"/)
})
