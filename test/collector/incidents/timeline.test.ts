import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { exportJson, exportMarkdown } from '../../../server/collector/incidents/export.ts'
import { gatherTimeline, readTimeline } from '../../../server/collector/incidents/timeline.ts'
import type { SqliteStore } from '../../../server/store/sqlite-store.ts'
import type { EventInput } from '../../../server/store/store.ts'
import { event, incident, iso, sqlite, start } from '../../store/fixtures.ts'

const hour = 3_600_000

describe('the timeline of a long incident', () => {
  let place: Awaited<ReturnType<typeof sqlite.create>>
  let store: SqliteStore
  beforeEach(async () => {
    place = await sqlite.create()
    store = place.store
  })
  afterEach(() => place.remove())

  it('has the window of its own region, however many others there were in that time', async () => {
    const window = (id: string, region: string, from: number) => ({
      ...{ id, title: id, reason: 'r', from: iso(from), to: iso(start + hour), regions: [region], nodes: [] },
      ...{ createdAt: iso(start), createdBy: 'ana' },
    })
    const audit = {
      ...{ at: iso(start), actor: 'ana', address: '', action: 'maintenance.add', object: 'x' },
      ...{ before: null, after: null, reason: null },
    }
    await store.addMaintenance(window('first', 'fra', start), audit)
    for (let count = 0; count < 250; count += 1)
      await store.addMaintenance(window(`other-${count}`, 'iad', start + 1_000), audit)
    const open = incident('i1', { startedAt: iso(start), regions: ['fra'] })
    const { items } = await gatherTimeline(store, open, start + 2 * hour)
    expect(items.map(({ id }) => id)).toEqual(['maintenance:first:begun', 'maintenance:first:ended'])
  })

  it('tells how six hours of failing pushes began and how they ended, and what it leaves out', async () => {
    const end = start + 6 * hour
    const told = (seq: number, at: number, more: Partial<EventInput>) =>
      event(seq, { at: iso(at), receivedAt: iso(at + 20), ...more })
    const events = [
      told(0, start, {
        type: 'signal.opened',
        data: { kind: 'push.stuck', scope: 'node:fra-1', sentence: 'stuck', incidentId: 'i1' },
      }),
      ...Array.from({ length: 21_600 }, (_, second) =>
        told(second + 1, start + (second + 1) * 1_000, {
          type: 'push.rejected',
          data: { status: 500, reason: `r-${second % 7}`, count: 1 },
        }),
      ),
      told(30_000, end + 5_000, {
        type: 'signal.closed',
        data: { kind: 'push.stuck', scope: 'node:fra-1', heldMs: 6 * hour, incidentId: 'i1' },
      }),
    ]
    for (let from = 0; from < events.length; from += 5_000)
      await store.appendEvents(events.slice(from, from + 5_000))
    const long = incident('i1', { startedAt: iso(start), resolvedAt: iso(end + 10_000), state: 'resolved' })
    const now = end + hour

    const material = await gatherTimeline(store, long, now)
    const types = material.items.map((item) => item.data.type)
    expect(types[0]).toBe('signal.opened')
    expect(types.at(-1)).toBe('signal.closed')
    const hole = material.gaps.find((gap) => gap.reason.startsWith('only the first'))
    expect(hole).toBeDefined()
    // 21 602 events, of which the first and the last 10 000 are there.
    expect((hole!.to - hole!.from) / 1_000).toBeGreaterThan(1_590)
    expect((hole!.to - hole!.from) / 1_000).toBeLessThan(1_620)
    expect(hole!.from).toBeGreaterThan(start + 2 * hour)

    const pages: unknown[] = []
    let cursor: string | undefined
    do {
      const page = await readTimeline(store, long, { limit: 1_000, ...(cursor ? { cursor } : {}) }, now)
      pages.push(...page.items.map((item) => item.data.type))
      cursor = page.nextCursor ?? undefined
    } while (cursor !== undefined)
    expect(pages.at(-1)).toBe('signal.closed')

    const exported = { ...material, incident: long, exportedAt: iso(now) }
    expect(exportMarkdown(exported)).toContain('only the first 10000 and the last 10000 events are shown')
    expect(exportMarkdown({ ...exported, url: 'https://room.example.com/' })).toContain(
      '](https://room.example.com/incidents/i1)',
    )
    expect(JSON.parse(exportJson(exported)).items.at(-1).data.type).toBe('signal.closed')
  }, 30_000)

  it('has no hole where both ends meet', async () => {
    await store.appendEvents(
      Array.from({ length: 150 }, (_, seq) =>
        event(seq, { at: iso(start + seq * 1_000), receivedAt: iso(start + seq * 1_000) }),
      ),
    )
    const short = incident('i1', { startedAt: iso(start), resolvedAt: iso(start + 150_000) })
    for (const maxEnd of [76, 100, 149, 150, 151]) {
      const { items, gaps } = await gatherTimeline(store, short, start + hour, maxEnd)
      expect(items, String(maxEnd)).toHaveLength(150)
      expect(gaps).toEqual([])
    }
    const { items, gaps } = await gatherTimeline(store, short, start + hour, 74)
    expect(items).toHaveLength(148)
    expect(gaps).toHaveLength(1)
  })
})
