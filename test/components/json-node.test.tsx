import { expect, it } from 'vitest'
import { NodeConnections } from '@/components/nodes/node-connections.tsx'
import { NodeDocument } from '@/components/nodes/node-document.tsx'
import { NodeDrainBudget } from '@/components/nodes/node-drain-budget.tsx'
import { NodeHeading } from '@/components/nodes/node-heading.tsx'
import { NodeParts } from '@/components/nodes/node-parts.tsx'
import { NodeTargets } from '@/components/nodes/node-targets.tsx'
import { PushHealthPanel } from '@/components/push/push-health.tsx'
import { buttonsOf, render, wordsOf } from './render.tsx'

const at = new Date().toISOString()
const node = {
  id: 'edge-1',
  region: 'fra',
  kind: 'json',
  embedded: false,
  state: 'up',
  intent: 'serving',
  problems: [],
  version: '2.4.1',
  since: at,
  lastPollAt: at,
  lastAnswerAt: at,
  latencyMs: 4,
  lastOutcome: 'ok',
  clockSkewMs: null,
  streamState: 'none',
  numbers: { connections: 12 },
  controlUrl: null,
  drains: null,
  measures: [],
  listeners: [],
  health: { status: 'ok', open: 12 },
}
const answers: [readonly unknown[], unknown][] = [[['node', 'edge-1'], node]]

it('the page of a node that is only watched shows what it says, and no panel of what it cannot say', () => {
  const shown = (element: Parameters<typeof render>[0]) => render(element, { answers, role: 'admin' })
  const heading = shown(<NodeHeading node="edge-1" />)
  expect(wordsOf(heading)).toContain('no event stream')
  expect(wordsOf(heading)).toContain('Nothing can drain this node')
  expect(heading).not.toContain('/drains/new')
  // A server behind an HAProxy is not ours either, and can be.
  const drainable = {
    ...node,
    kind: 'haproxy',
    drains: { verb: 'set server web/web-1 state drain', proof: 'counted', hindrance: null },
  }
  const other = render(<NodeHeading node="edge-1" />, {
    answers: [[['node', 'edge-1'], drainable]],
    role: 'admin',
  })
  expect(other).toContain('/drains/new')
  expect(wordsOf(shown(<NodeParts node="edge-1" />))).toContain('Connections 12')
  expect(wordsOf(shown(<NodeDocument node="edge-1" />))).toContain('"open": 12')
  for (const Panel of [PushHealthPanel, NodeTargets, NodeDrainBudget, NodeConnections])
    expect(shown(<Panel node="edge-1" />), Panel.name).toBe('')
  expect(buttonsOf(heading)).toEqual([])
})

it('the page of a node tells what is so now from what was counted since its start', () => {
  const counting = { ...node, numbers: { requests: 4000, connections: 12, pushReceived: 7, openFds: 30 } }
  const words = wordsOf(render(<NodeParts node="edge-1" />, { answers: [[['node', 'edge-1'], counting]] }))
  expect(words).toMatch(
    /Now .*Connections 12 .*Open files 30 .*Since its start Requests 4.000 .*Pushes received 7/,
  )
  expect(wordsOf(render(<NodeParts node="edge-1" />, { answers }))).not.toContain('Since its start')
})
