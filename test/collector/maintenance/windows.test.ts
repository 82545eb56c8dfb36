import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { MaintenanceWindows } from '../../../server/collector/maintenance/windows.ts'
import {
  type Actor,
  AppError,
  type Incident,
  MAX_OPEN_WINDOWS,
  type MaintenanceCreateRequest,
  maintenanceCreateSchema,
} from '../../../server/contract/index.ts'
import type { SqliteStore } from '../../../server/store/sqlite-store.ts'
import { changedStore, incident, iso, sqlite, start } from '../../store/fixtures.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const ana: Actor = { name: 'ana@example.com', role: 'operator', address: '192.0.2.1' }
const ben: Actor = { ...ana, name: 'ben@example.com' }
const ids = ['fra-1', 'fra-2', 'iad-1']
const node = (id: string) => ({ regions: [id.slice(0, 3)], nodes: [id] })

describe('maintenance windows', () => {
  let now: number
  let store: SqliteStore
  let remove: () => Promise<void>
  let acted: unknown[]
  let changed: string[]
  let open: Incident[]

  beforeEach(async () => {
    now = start
    acted = []
    changed = []
    open = []
    ;({ store, remove } = await sqlite.create({ now: () => now }))
  })
  afterEach(() => remove())

  /** As a collector has them; called again for a restart, or for a second collector. */
  const started = async (change: Partial<SqliteStore> = {}): Promise<MaintenanceWindows> => {
    const windows = new MaintenanceWindows({
      store: changedStore(store, change),
      fleet: {
        regions: () => ['fra', 'iad', 'empty'],
        nodes: () => ids.map((id) => ({ id, region: id.slice(0, 3) })),
        regionOf: (id) => (ids.includes(id) ? id.slice(0, 3) : null),
        openIncidents: () => open,
      },
      live: { changed: (topic) => void changed.push(topic) },
      record: async (type, data, where) => {
        acted.push([type, data, where])
        return null
      },
      held: () => [],
      now: () => now,
    })
    await windows.refresh()
    return windows
  }
  const request = (more: Partial<MaintenanceCreateRequest> = {}): MaintenanceCreateRequest => ({
    title: 'Kernel update',
    from: iso(start),
    to: iso(start + HOUR),
    regions: ['fra'],
    reason: 'CVE-2026-1234',
    ...more,
  })
  const states = async (windows: MaintenanceWindows) =>
    (await windows.list({})).items.map(({ title, state }) => `${title}: ${state}`)
  const codeOf = (work: Promise<unknown>) =>
    work.then(
      () => 'done',
      (error: unknown) => (error instanceof AppError ? error.code : error),
    )

  it('are planned, active and past by the clock alone', async () => {
    const windows = await started()
    const later = { from: iso(start + HOUR), to: iso(start + 2 * HOUR) }
    const { id, ...window } = await windows.create(request({ title: 'later', ...later }), ana)
    expect(window).toMatchObject({
      ...later,
      regions: ['fra'],
      nodes: [],
      state: 'planned',
      createdBy: ana.name,
    })
    await windows.create(request({ title: 'now' }), ana)
    expect(await states(windows)).toEqual(['later: planned', 'now: active'])
    expect(windows.covering(node('fra-1'), now)?.title).toBe('now')
    now += HOUR
    expect(await states(windows)).toEqual(['later: active', 'now: past'])
    expect(windows.covering(node('fra-1'), now)?.id).toBe(id)
    now += HOUR
    expect(await states(windows)).toEqual(['later: past', 'now: past'])
    expect(windows.covering(node('fra-1'), now)).toBeNull()
  })

  it('are listed in pages and by their state', async () => {
    const windows = await started()
    for (let hour = 0; hour < 5; hour += 1)
      await windows.create(
        request({ title: `${hour}`, from: iso(start + hour * HOUR), to: iso(start + (hour + 1) * HOUR) }),
        ana,
      )
    now += 2 * HOUR
    const titles = async (filter: Parameters<typeof windows.list>[0]) => {
      const page = await windows.list(filter)
      return [page.items.map(({ title }) => title).join(), page.nextCursor] as const
    }
    const [first, cursor] = await titles({ limit: 2 })
    expect([first, (await titles({ limit: 2, cursor: cursor ?? '' }))[0]]).toEqual(['4,3', '2,1'])
    expect((await titles({ status: 'planned' }))[0]).toBe('4,3')
    expect((await titles({ status: 'active' }))[0]).toBe('2')
    expect((await titles({ status: 'past' }))[0]).toBe('1,0')
    expect((await titles({ from: start + HOUR, to: start + 2 * HOUR }))[0]).toBe('1')
    expect(await codeOf(windows.list({ cursor: 'nonsense' }))).toBe('ERR_INVALID')
  })

  it('write who, where from and why before anything changes, and tell it', async () => {
    const windows = await started()
    const { id } = await windows.create(request({ regions: [], nodes: ['fra-2'] }), ana)
    await windows.end(id, ben)
    const { items } = await store.auditRows({})
    expect(items.map(({ actor, action, object, address }) => [actor, action, object, address])).toEqual([
      [ben.name, 'maintenance.end', `maintenance:${id}`, '192.0.2.1'],
      [ana.name, 'maintenance.add', `maintenance:${id}`, '192.0.2.1'],
    ])
    expect(acted[0]).toEqual([
      'operator.acted',
      {
        actor: ana.name,
        action: 'maintenance.add',
        object: `maintenance:${id}`,
        title: request().title,
        reason: 'CVE-2026-1234',
      },
      { node: 'fra-2' },
    ])
    expect(new Set(changed)).toEqual(new Set(['overview', 'node:fra-2', 'region:fra']))
  })

  it('that are active end now and stay as past; those that are planned are gone', async () => {
    const windows = await started()
    const active = await windows.create(request({ title: 'active' }), ana)
    const planned = await windows.create(request({ title: 'planned', from: iso(start + 60_000) }), ana)
    now += 10_000
    await windows.end(active.id, ben)
    await windows.end(planned.id, ben)
    expect((await windows.list({})).items).toEqual(
      [{ ...active, held: undefined, state: 'past', to: iso(start + 10_000), endedBy: ben.name }].map(
        ({ held: _, ...window }) => window,
      ),
    )
    expect(windows.covering(node('fra-1'), now)).toBeNull()
    expect(await codeOf(windows.end(active.id, ana))).toBe('ERR_CONFLICT')
    expect(await codeOf(windows.end(planned.id, ana))).toBe('ERR_NOT_FOUND')
  })

  it('are ended once when two operators end one at the same time, in one collector or in two', async () => {
    const [first, second] = [await started(), await started()]
    for (const from of [start, start + 60_000]) {
      const { id } = await first.create(request({ from: iso(from) }), ana)
      await second.refresh()
      const ends = await Promise.all([
        codeOf(first.end(id, ana)),
        codeOf(first.end(id, ben)),
        codeOf(second.end(id, ben)),
      ])
      expect(ends.filter((end) => end === 'done')).toHaveLength(1)
      expect(ends.filter((end) => end === 'ERR_CONFLICT' || end === 'ERR_NOT_FOUND')).toHaveLength(2)
    }
    const { items } = await store.auditRows({})
    expect(items.filter(({ action }) => action !== 'maintenance.add')).toHaveLength(2)
  })

  it('refuse what no clock, no fleet or no calendar has, each by its path', async () => {
    const windows = await started()
    const problems = async (more: Partial<MaintenanceCreateRequest>) => {
      const checked = maintenanceCreateSchema.safeParse(request(more))
      if (!checked.success) return checked.error.issues.map(({ path }) => path.join('.'))
      const error = await windows.create(checked.data, ana).catch((each: AppError) => each)
      return error instanceof AppError
        ? (error.facts.problems as { path: string }[]).map(({ path }) => path)
        : []
    }
    expect(await problems({})).toEqual([])
    expect(await problems({ to: iso(start) })).toEqual(['to'])
    expect(await problems({ from: iso(start + HOUR + 1) })).toEqual(['to'])
    expect(await problems({ to: iso(start + 30 * DAY) })).toEqual([])
    expect(await problems({ to: iso(start + 30 * DAY + 1) })).toEqual(['to'])
    expect(await problems({ from: iso(start - DAY), to: iso(start) })).toEqual(['to'])
    expect(await problems({ from: iso(start + 360 * DAY), to: iso(start + 366 * DAY) })).toEqual([])
    expect(await problems({ from: iso(start + 360 * DAY), to: iso(start + 366 * DAY + 1) })).toEqual(['to'])
    expect(await problems({ regions: ['fra', 'nowhere'], nodes: ['iad-1', 'iad-9'] })).toEqual([
      'regions[1]',
      'nodes[1]',
    ])
    expect(await problems({ regions: ['empty'] })).toEqual([])
    expect(await problems({ reason: ' ' })).toEqual(['reason'])
    expect(await problems({ title: 'x'.repeat(201) })).toEqual(['title'])
  })

  it('are at most two hundred that are open, and those that are past do not count', async () => {
    const windows = await started()
    for (let count = 0; count < MAX_OPEN_WINDOWS; count += 1) await windows.create(request(), ana)
    expect([windows.open, await codeOf(windows.create(request(), ana))]).toEqual([200, 'ERR_CAPACITY'])
    now += HOUR
    expect(await codeOf(windows.create(request({ to: iso(now + HOUR) }), ana))).toBe('done')
  })

  it('are known whole, however many there are: those that were ended in the last day never push an open one out', async () => {
    const windows = await started()
    const ended = { ...(await windows.create(request({ nodes: ['fra-1'], regions: [] }), ana)) }
    const audit = {
      at: iso(start),
      actor: ana.name,
      address: '',
      action: 'x',
      object: 'y',
      before: null,
      after: null,
      reason: null,
    }
    for (let count = 0; count < 2_100; count += 1)
      await store.addMaintenance({ ...ended, id: `past-${count}`, to: iso(start + 1 + (count % 7)) }, audit)
    await store.addMaintenance({ ...ended, id: 'active', from: iso(start + 60_000), nodes: ['iad-1'] }, audit)
    now += 120_000
    await windows.refresh()
    expect(windows.mark(node('iad-1'))?.id).toBe('active')
    expect((await store.maintenanceSince(0)).length).toBe(2_102)
    const refused = await windows
      .create(request({ to: iso(now + HOUR) }), ana)
      .catch((error: unknown) => error)
    expect(refused).toMatchObject({ code: 'ERR_CAPACITY', message: expect.stringContaining('within a day') })
    now += DAY
    await windows.refresh()
    expect(await codeOf(windows.create(request({ from: iso(now), to: iso(now + HOUR) }), ana))).toBe('done')
  })

  it('say of a moment that is past whether a node was in one', async () => {
    const windows = await started()
    await windows.create(request(), ana)
    now += 2 * HOUR
    await windows.refresh()
    const was = (at: number, id = 'fra-1') => windows.inMaintenance(id, at)
    expect([start - 1, start, start + HOUR - 1, start + HOUR].map((at) => was(at))).toEqual([
      false,
      true,
      true,
      false,
    ])
    expect(was(start, 'iad-1')).toBe(false)
  })

  it('hold over a restart in the very second in which one begins or ends', async () => {
    const { id } = await (await started()).create(
      request({ from: iso(start + 1_000), to: iso(start + 2_000) }),
      ana,
    )
    const covers = async (at: number) => {
      now = start + at
      return (await started()).covering(node('fra-1'), now)?.id ?? null
    }
    expect(await covers(999)).toBeNull()
    expect(await covers(1_000)).toBe(id)
    expect(await covers(1_999)).toBe(id)
    expect(await covers(2_000)).toBeNull()
  })

  it('follow a clock that is set forward and back, without a word to anybody', async () => {
    const windows = await started()
    const { id } = await windows.create(request(), ana)
    now = start + 3 * DAY
    await windows.refresh()
    expect(windows.covering(node('fra-1'), now)).toBeNull()
    now = start + 60_000
    await windows.refresh()
    expect(windows.covering(node('fra-1'), now)?.id).toBe(id)
    now = start - HOUR
    expect((await windows.list({})).items[0]?.state).toBe('planned')
  })

  it('are looked through once from one beginning or end to the next, however many nodes ask', async () => {
    const windows = await started()
    await windows.create(request(), ana)
    for (let hour = 2; hour < 190; hour += 1)
      await windows.create(
        request({ from: iso(start + hour * HOUR), to: iso(start + (hour + 1) * HOUR), regions: ['iad'] }),
        ana,
      )
    const parse = vi.spyOn(Date, 'parse')
    try {
      for (let asked = 0; asked < 1_000; asked += 1) windows.mark(node('iad-1'))
      expect(parse.mock.calls.length).toBeLessThan(10_000)
    } finally {
      parse.mockRestore()
    }
    expect([windows.mark(node('fra-1'))?.title, windows.mark(node('iad-1'))]).toEqual(['Kernel update', null])
    now = start + HOUR
    expect(windows.mark(node('fra-1'))).toBeNull()
    now = start + 2 * HOUR
    expect(windows.mark(node('iad-1'))?.until).toBe(iso(start + 3 * HOUR))
    now = start
    expect(windows.mark(node('fra-1'))?.until).toBe(iso(start + HOUR))
  })

  it('go on as known while the store is away, and say so to who would change them', async () => {
    let away = false
    const gone = async (): Promise<never> => {
      throw new AppError('ERR_STORE_UNAVAILABLE', 'The disk is full', {})
    }
    const windows = await started({
      maintenanceSince: (at) => (away ? gone() : store.maintenanceSince(at)),
      addMaintenance: (...window) => (away ? gone() : store.addMaintenance(...window)),
      endMaintenance: (...change) => (away ? gone() : store.endMaintenance(...change)),
    })
    const { id } = await windows.create(request(), ana)
    away = true
    expect(await codeOf(windows.refresh())).toBe('ERR_STORE_UNAVAILABLE')
    expect(await codeOf(windows.create(request(), ana))).toBe('ERR_STORE_UNAVAILABLE')
    expect(await codeOf(windows.end(id, ana))).toBe('ERR_STORE_UNAVAILABLE')
    expect(windows.open).toBe(1)
    expect(windows.covering(node('fra-1'), now)?.id).toBe(id)
    now += HOUR
    expect(windows.covering(node('fra-1'), now)).toBeNull()
  })

  it('tell whoever shows what they cover when one begins and ends by itself, once', async () => {
    open = [incident('of-fra'), incident('of-iad', { regions: ['iad'], nodes: ['iad-1'] })]
    const windows = await started()
    await windows.create(request({ from: iso(start + 1_000) }), ana)
    expect(changed).toEqual([])
    const told = ['overview', 'node:fra-1', 'node:fra-2', 'region:fra', 'incident:of-fra']
    for (const at of [start + 1_000, start + HOUR]) {
      now = at
      windows.look()
      windows.look()
      expect(changed.splice(0)).toEqual(told)
    }
  })

  it('silence an incident that they cover whole, and say why', async () => {
    const windows = await started()
    await windows.create(request({ to: iso(start + HOUR) }), ana)
    const reason = `maintenance “Kernel update” until ${iso(start + HOUR)}: CVE-2026-1234`
    expect(windows.silencedBy({ regions: ['fra'], nodes: ['fra-1'] }, now)).toEqual({ reason })
    expect(windows.silencedBy({ regions: ['fra', 'iad'], nodes: ['fra-1', 'iad-1'] }, now)).toBeNull()
    expect(windows.silencedBy({ regions: ['fra'], nodes: ['fra-1'] }, now + HOUR)).toBeNull()
  })

  it('know until when something was explained, also over a restart', async () => {
    const windows = await started()
    await windows.create(request({ to: iso(start + HOUR) }), ana)
    await windows.create(request({ regions: ['iad'], to: iso(start + 2 * HOUR) }), ana)
    now = start + 3 * HOUR
    const again = await started()
    for (const each of [windows, again]) {
      expect(each.explainedUntil(node('fra-1'), start + 60_000, now)).toBe(start + HOUR)
      expect(each.explainedUntil(node('fra-1'), start + HOUR, now)).toBeNull()
      expect(each.explainedUntil(node('fra-1'), start, start + HOUR - 1)).toBeNull()
    }
  })

  it('that are long past leave the store, and those that are open never do', async () => {
    const windows = await started()
    await windows.create(request({ title: 'old' }), ana)
    now = start + 390 * DAY
    await windows.create(request({ title: 'recent', from: iso(now), to: iso(now + DAY) }), ana)
    await windows.create(request({ title: 'open', from: iso(now + 15 * DAY), to: iso(now + 20 * DAY) }), ana)
    now = start + 401 * DAY
    await store.prune()
    expect(await states(windows)).toEqual(['open: planned', 'recent: past'])
  })
})
