import { afterEach, expect, it } from 'vitest'
import { IncidentBook } from '../../../server/collector/incidents/book.ts'
import type { SignalVerdict } from '../../../server/collector/signals/rule.ts'
import { log, sqlite } from '../../store/fixtures.ts'

let remove: () => Promise<void>
afterEach(() => remove())

const open = (title: string): SignalVerdict => ({
  state: 'open',
  startedAt: 1_000,
  sentence: title,
  title,
  severity: 'warning',
  impact: title,
})

it('names an incident after the node that went, not after the tunnels that it took along', async () => {
  const made = await sqlite.create()
  remove = made.remove
  const live = {
    hub: 'h',
    seq: 0,
    event: () => undefined,
    samples: () => undefined,
    changed: () => undefined,
  }
  const book = new IncidentBook({ store: made.store, live, record: async () => null, log })
  const region = 'iad'
  await book.observe(
    { kind: 'tunnel.storm', scope: 'region:iad', region, nodes: [] },
    open('iad lost 6 of 14 tunnels'),
    5_000,
  )
  await book.observe(
    { kind: 'node.down', scope: 'node:iad-2', region, nodes: ['iad-2'] },
    open('iad-2 is down'),
    9_000,
  )
  expect(book.open().map((incident) => incident.title)).toEqual(['iad-2 is down'])
})
