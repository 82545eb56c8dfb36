import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { IncidentBook } from '../../../server/collector/incidents/book.ts'
import { IncidentDesk } from '../../../server/collector/incidents/desk.ts'
import { type Actor, AppError } from '../../../server/contract/index.ts'
import type { Store } from '../../../server/store/store.ts'
import { Turn } from '../../../server/time/turn.ts'
import { changedStore, log, sqlite } from '../../store/fixtures.ts'

const T = Date.parse('2026-04-27T18:00:00Z')
const ana: Actor = { name: 'ana@example.com', role: 'operator', address: '127.0.0.1' }
const ben: Actor = { ...ana, name: 'ben@example.com' }

describe('the desk of incidents', () => {
  let store: Store
  let book: IncidentBook
  let desk: IncidentDesk
  let id: string
  let changed: string[]
  let auditFails: boolean
  let remove: () => Promise<void>
  const fault = new AppError('ERR_STORE_UNAVAILABLE', 'The store is unavailable: the disk is full')

  beforeEach(async () => {
    const made = await sqlite.create()
    remove = made.remove
    auditFails = false
    changed = []
    store = changedStore(made.store, {
      audit: (row) => (auditFails ? Promise.reject(fault) : made.store.audit(row)),
    })
    const live = { changed: (what: string) => void changed.push(what) }
    book = new IncidentBook({ store, live, record: () => Promise.resolve(null), log })
    desk = new IncidentDesk({ store, book, live, turn: new Turn(), now: () => T + 60_000 })
    await book.load(T)
    await book.observe(
      { kind: 'node.down', scope: 'node:fra-1', region: 'fra', nodes: ['fra-1'] },
      {
        state: 'open',
        startedAt: T,
        sentence: 'fra-1 does not answer',
        title: 'fra-1 is down',
        severity: 'warning',
        impact: 'fra-1 down for 1 s',
      },
      T,
    )
    id = book.open()[0]!.id
  })
  afterEach(() => remove())

  const audited = async () =>
    (await store.auditRows({})).items.map(({ action, actor }) => `${actor} ${action}`)

  const verbs: [string, () => Promise<unknown>][] = [
    ['acknowledge', () => desk.acknowledge(id, ana)],
    ['mitigate', () => desk.mitigate(id, ana)],
    ['resolve', () => desk.resolve(id, ana)],
    ['note', () => desk.note(id, 'looking at it', ana)],
    ['patch', () => desk.patch(id, { title: 'Fibre cut' }, ana)],
    ['annotate', () => desk.annotate({ title: 'deployment 42', kind: 'deploy', regions: ['fra'] }, ana)],
  ]

  it.each(verbs)('writes who did it, and tells pages: %s', async (_, act) => {
    changed.length = 0
    await act()
    expect(await audited()).toHaveLength(1)
    expect(changed).toContain(`incident:${id}`)
  })

  it.each(verbs)('does nothing that it cannot write down: %s', async (_, act) => {
    const before = await store.storedIncident(id)
    auditFails = true
    await expect(act()).rejects.toBe(fault)
    expect(await store.storedIncident(id)).toEqual(before)
    expect(await store.timelineItems(id)).toEqual([])
    expect(await store.annotations({ from: new Date(0).toISOString(), to: '2030-01-01T00:00:00Z' })).toEqual(
      [],
    )
  })

  it.each([
    ['acknowledge', 'acknowledged'],
    ['mitigate', 'mitigated'],
    ['resolve', 'resolved'],
  ] as const)(
    'answers who comes second as if it were the first, without a second row: %s',
    async (verb, state) => {
      const [first, second] = await Promise.all([desk[verb](id, ana), desk[verb](id, ben)])
      expect(first).toMatchObject({ state })
      expect(second).toEqual(first)
      expect(await audited()).toEqual([`ana@example.com incident.${verb}`])
    },
  )

  it.each(['acknowledge', 'mitigate', 'resolve'] as const)(
    'keeps the reason that an operator gave in the audit: %s',
    async (verb) => {
      await desk[verb](id, ana, 'traffic moved to iad')
      expect((await store.auditRows({})).items).toMatchObject([{ reason: 'traffic moved to iad' }])
    },
  )

  it.each([
    ['resolve', 'acknowledge'],
    ['resolve', 'mitigate'],
    ['mitigate', 'acknowledge'],
  ] as const)('after %s refuses to %s, and writes no row of it', async (first, second) => {
    await desk[first](id, ana)
    await expect(desk[second](id, ben)).rejects.toMatchObject({ code: 'ERR_CONFLICT' })
    expect(await audited()).toHaveLength(1)
  })

  it('corrects fields with a row of what they were, and leaves out what did not change', async () => {
    const startedAt = new Date(T - 60_000).toISOString()
    const next = await desk.patch(id, { title: 'Fibre cut', severity: 'warning', startedAt }, ana)
    expect(next).toMatchObject({ title: 'Fibre cut', startedAt })
    expect(await store.timelineItems(id)).toMatchObject([
      {
        kind: 'operator',
        source: 'ana@example.com',
        data: { before: { title: 'fra-1 is down', startedAt: new Date(T).toISOString() } },
      },
    ])
    await desk.patch(id, { title: 'Fibre cut' }, ana)
    expect(await audited()).toHaveLength(1)
  })

  it('takes no start after the detection', async () => {
    const startedAt = new Date(T + 1).toISOString()
    await expect(desk.patch(id, { startedAt }, ana)).rejects.toMatchObject({ code: 'ERR_INVALID' })
    expect(await audited()).toEqual([])
  })

  it('knows no incident that there is not', async () => {
    expect(await desk.get('nope')).toBeNull()
    for (const ask of [
      () => desk.acknowledge('nope', ana),
      () => desk.note('nope', 'hello', ana),
      () => desk.export('nope', 'md'),
      () => desk.timeline('nope', {}),
    ])
      await expect(ask()).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
  })

  it('puts an annotation onto the incidents of its regions alone', async () => {
    changed.length = 0
    await desk.annotate({ title: 'deployment 42', kind: 'deploy', regions: ['iad'] }, ana)
    expect(changed).toEqual([])
  })
})
