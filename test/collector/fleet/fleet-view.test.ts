import { afterEach, expect, it } from 'vitest'
import { createAddressRules } from '../../../server/collector/adapters/address.ts'
import { Adapters } from '../../../server/collector/adapters/registry.ts'
import { Fleet } from '../../../server/collector/fleet/fleet.ts'
import { LiveFleetView } from '../../../server/collector/fleet/fleet-view.ts'
import type { Drain, DrainStep } from '../../../server/contract/drains.ts'
import { drain, log, sqlite } from '../../store/fixtures.ts'

const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

const IDS = ['fra-1', 'fra-2', 'fra-3']
const step = (node: string, phase: DrainStep['phase'], more: Partial<DrainStep> = {}): DrainStep => ({
  node,
  phase,
  startedAt: phase === 'waiting' ? null : '2026-01-01T00:00:00Z',
  endedAt: null,
  remaining: null,
  ...more,
})

const drainingIn = async (drains: Drain[]): Promise<string[]> => {
  const { store, remove } = await sqlite.create()
  const adapters = new Adapters({
    timeoutMs: 1_000,
    rules: createAddressRules([]),
    store,
    log,
    maxBackoffMs: 1_000,
    now: Date.now,
  })
  ends.push(() => adapters.close(), remove)
  const fleet = new Fleet({
    regions: [{ id: 'fra', name: 'Frankfurt' }],
    nodes: IDS.map((id) => ({
      ...{ id, region: 'fra', url: `http://${id}.example.com`, token: 'x'.repeat(32) },
      ...{ kind: 'tidegate' as const, embedded: false },
    })),
    store,
    adapters,
    record: async () => null,
    log,
    now: Date.now,
    pollIntervalMs: 1_000,
    openIncidents: () => [],
    activeDrains: () => drains,
    absence: () => null,
    standing: () => null,
  })
  const view = new LiveFleetView({
    fleet,
    announced: () => ({ nodes: new Map(), regions: new Map() }),
    inMaintenance: () => false,
    activeDrains: () => drains,
  })
  return IDS.filter((id) => view.node(id)?.draining)
}

it('a node that waits for its turn in a drain is not draining: its crash is a fault', async () => {
  const steps = [
    step('fra-1', 'done', { outcome: 'empty' }),
    step('fra-2', 'connections'),
    step('fra-3', 'waiting'),
  ]
  expect(await drainingIn([drain('d1', { state: 'running', steps }).drain])).toEqual(['fra-1', 'fra-2'])
  const planned = drain('d2', { state: 'planned', steps: IDS.map((id) => step(id, 'waiting')) }).drain
  expect(await drainingIn([planned])).toEqual([])
  const ofOne = drain('d3', { state: 'planned', node: 'fra-3', steps: [step('fra-3', 'waiting')] }).drain
  expect(await drainingIn([ofOne])).toEqual([])
})
