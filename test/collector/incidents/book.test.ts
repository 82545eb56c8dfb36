import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { IncidentBook } from '../../../server/collector/incidents/book.ts'
import type { SignalMemory, SignalScope, SignalVerdict } from '../../../server/collector/signals/rule.ts'
import { AppError, type Incident } from '../../../server/contract/index.ts'
import type { SqliteStore } from '../../../server/store/sqlite-store.ts'
import { log, sqlite, storedIncident } from '../../store/fixtures.ts'

const T = Date.parse('2026-04-27T18:00:00Z')
const MINUTE = 60_000

const closed: SignalVerdict = { state: 'closed', because: 'it is over' }
const open = (
  title: string,
  more: Partial<Extract<SignalVerdict, { state: 'open' }>> = {},
): SignalVerdict => ({
  state: 'open',
  startedAt: T,
  sentence: title,
  title,
  severity: 'warning',
  impact: title,
  ...more,
})
const down = (node: string): SignalScope => ({
  kind: 'node.down',
  scope: `node:${node}`,
  region: node.slice(0, 3),
  nodes: [node],
})
const stuck = (node: string): SignalScope => ({ ...down(node), kind: 'push.stuck' })
const storm = (region: string): SignalScope => ({
  kind: 'tunnel.storm',
  scope: `region:${region}`,
  region,
  nodes: [],
})

describe('the book of incidents', () => {
  let store: SqliteStore
  let remove: () => Promise<void>
  let told: string[]
  let changed: string[]

  beforeEach(async () => {
    const made = await sqlite.create()
    store = made.store
    remove = made.remove
    told = []
    changed = []
  })
  afterEach(() => remove())

  /** A book as a collector has it; called again for a restart, or for a second collector. */
  const newBook = async (now = T, kept: Partial<SqliteStore> = {}): Promise<IncidentBook> => {
    const book = new IncidentBook({
      store: {
        saveIncident: (...change) => store.saveIncident(...change),
        storedIncident: (id) => store.storedIncident(id),
        unsettledIncidents: (since) => store.unsettledIncidents(since),
        unmuteSignal: (key) => store.unmuteSignal(key),
        ...kept,
      },
      live: { changed: (what) => void changed.push(what) },
      record: async (type, data) => void told.push(`${type} ${JSON.stringify(data)}`),
      log,
    })
    await book.load(now)
    return book
  }
  const events = () => told.map((line) => line.split(' ')[0])
  const titles = (book: IncidentBook) => book.open().map((incident) => incident.title)
  const only = (book: IncidentBook): Incident => {
    expect(book.open()).toHaveLength(1)
    return book.open()[0]!
  }
  const stored = async (): Promise<Incident[]> => (await store.incidents({})).items

  describe('what rules say', () => {
    it('opens an incident, stores it before it tells of it, and tells of it once', async () => {
      const book = await newBook()
      for (const at of [T, T + 1_000, T + 2_000]) await book.observe(down('fra-1'), open('fra-1 is down'), at)
      expect(events()).toEqual(['incident.opened', 'signal.opened'])
      expect(await stored()).toEqual([only(book)])
      expect(only(book)).toMatchObject({
        title: 'fra-1 is down',
        state: 'open',
        nodes: ['fra-1'],
        startedAt: new Date(T).toISOString(),
      })
      expect(changed).toContain(`incident:${only(book).id}`)
    })

    it('holds what is not known, and closes nothing that is not open', async () => {
      const book = await newBook()
      await book.observe(down('fra-1'), closed, T)
      await book.observe(down('fra-1'), open('fra-1 is down'), T)
      await book.observe(down('fra-1'), { state: 'hold' }, T + 1_000)
      await book.observe(down('fra-2'), closed, T + 1_000)
      expect(only(book).signals[0]?.closedAt).toBeUndefined()
      expect(events()).toEqual(['incident.opened', 'signal.opened'])
    })

    it('folds signals of one node, and those of one region within a minute, into one incident', async () => {
      const book = await newBook()
      await book.observe(down('fra-1'), open('fra-1 is down'), T)
      await book.observe(stuck('fra-1'), open('pushes'), T + 10 * MINUTE)
      await book.observe(down('fra-2'), open('fra-2 is down'), T + 10 * MINUTE + 59_000)
      expect(only(book)).toMatchObject({ nodes: ['fra-1', 'fra-2'], signals: { length: 3 } })
      await book.observe(down('fra-3'), open('fra-3 is down'), T + 13 * MINUTE)
      await book.observe(down('iad-1'), open('iad-1 is down'), T + 13 * MINUTE)
      expect(titles(book).sort()).toEqual(['2 nodes of fra are down', 'fra-3 is down', 'iad-1 is down'])
    })

    describe('the title', () => {
      const title = (book: IncidentBook): string => only(book).title
      const restarted = (node: string): SignalScope => ({ ...down(node), kind: 'node.restarted' })

      it('is that of the worst signal at the moment, and when it is over of the worst that it had', async () => {
        const book = await newBook()
        await book.observe(restarted('fra-1'), open('fra-1 restarted'), T)
        expect(title(book)).toBe('fra-1 restarted')
        await book.observe(stuck('fra-1'), open('pushes', { severity: 'critical' }), T)
        expect(title(book)).toBe('pushes')
        await book.observe(down('fra-1'), open('fra-1 is down'), T)
        expect(title(book)).toBe('pushes')
        await book.observe(stuck('fra-1'), closed, T + 1_000)
        expect(title(book)).toBe('fra-1 is down')
        await book.observe(down('fra-1'), closed, T + 2_000)
        expect(title(book)).toBe('fra-1 restarted')
        await book.observe(restarted('fra-1'), closed, T + 3_000)
        expect(title(book)).toBe('pushes')
        expect(only(book).severity).toBe('critical')
      })

      it('says of how many nodes it is, as long as they are, and names the last one', async () => {
        const book = await newBook()
        const nodes = ['fra-1', 'fra-2', 'fra-3']
        for (const node of nodes) await book.observe(down(node), open(`${node} is down`), T)
        expect(title(book)).toBe('3 nodes of fra are down')
        await book.observe(down('fra-2'), closed, T + 1_000)
        expect(title(book)).toBe('2 nodes of fra are down')
        await book.observe(down('fra-1'), closed, T + 2_000)
        expect(title(book)).toBe('fra-3 is down')
        await book.observe(down('fra-3'), closed, T + 3_000)
        expect(title(book)).toBe('3 nodes of fra are down')
      })

      it('follows a signal that becomes worse while it is open, at once and with its words', async () => {
        const book = await newBook()
        const certificate: SignalScope = { ...down('fra-1'), kind: 'certificate.expiring' }
        await book.observe(certificate, open('ends soon'), T)
        await book.observe(certificate, open('ends within 7 days', { impact: 'ends soon' }), T + 10_000)
        expect(only(book)).toMatchObject({ title: 'ends within 7 days', severity: 'warning' })
        await book.observe(certificate, open('has ended', { severity: 'critical' }), T + 10_001)
        expect(only(book)).toMatchObject({
          title: 'has ended',
          severity: 'critical',
          signals: [{ severity: 'critical', sentence: 'has ended' }],
        })
        expect((await stored())[0]).toMatchObject({ severity: 'critical', title: 'has ended' })
        // It was that bad; and what an operator says of the whole holds until something becomes worse again.
        await book.patch(only(book).id, { severity: 'info' })
        await book.observe(certificate, open('has ended', { severity: 'warning' }), T + 60_000)
        await book.observe(certificate, open('has ended', { severity: 'critical' }), T + 70_000)
        expect(only(book)).toMatchObject({ severity: 'info', signals: [{ severity: 'critical' }] })
      })

      it('goes on from what was said before a restart, and leaves what an operator wrote', async () => {
        const before = await newBook()
        await before.observe(down('fra-1'), open('fra-1 is down'), T)
        await before.observe(stuck('fra-1'), open('pushes', { severity: 'critical' }), T)
        const book = await newBook(T + MINUTE)
        await book.observe(stuck('fra-1'), closed, T + MINUTE)
        expect(title(book)).toBe('fra-1 is down')
        await book.patch(only(book).id, { title: 'Fibre cut' })
        await book.observe(down('fra-2'), open('fra-2 is down', { severity: 'critical' }), T + MINUTE)
        await book.observe(down('fra-1'), closed, T + MINUTE)
        expect(title(book)).toBe('Fibre cut')
      })

      it('of an older version stays where nobody says how a signal is named', async () => {
        const { incident, ...beside } = storedIncident('old')
        const at = new Date(T).toISOString()
        const signals = [{ kind: 'push.stuck', scope: 'node:fra-1', openedAt: at, sentence: 'stuck' }]
        const old = {
          ...incident,
          state: 'open',
          severity: 'critical',
          nodes: ['fra-1'],
          detectedAt: at,
          signals,
        } as const
        const held = ['push.stuck|node:fra-1']
        const resume = { titled: false, signals: {} }
        await store.saveIncident({ ...beside, incident: old as unknown as Incident, resume, open: held }, 0)
        const book = await newBook()
        await book.observe({ ...down('fra-1'), kind: 'node.clock_skew' }, open('clock'), T + 1_000)
        expect(only(book).signals).toHaveLength(2)
        expect(title(book)).toBe(incident.title)
      })
    })

    it('names an incident after the node that went, not after the tunnels that it took along', async () => {
      const book = await newBook()
      await book.observe(storm('iad'), open('iad lost 6 of 14 tunnels'), T)
      await book.observe(down('iad-2'), open('iad-2 is down'), T + 4_000)
      expect(titles(book)).toEqual(['iad-2 is down'])
    })

    it('resolves a minute after the last signal closed, and not before', async () => {
      const book = await newBook()
      await book.observe(down('fra-1'), open('fra-1 is down'), T)
      await book.observe(stuck('fra-1'), open('pushes'), T)
      await book.observe(stuck('fra-1'), closed, T + 1_000)
      await book.settle(T + 10 * MINUTE)
      await book.observe(down('fra-1'), closed, T + 10 * MINUTE)
      await book.settle(T + 11 * MINUTE - 1)
      expect(book.open()).toHaveLength(1)
      await book.settle(T + 11 * MINUTE)
      expect(book.open()).toEqual([])
      expect(events().slice(-2)).toEqual(['signal.closed', 'incident.resolved'])
      expect(told.at(-2)).toContain('"sentence":"it is over after 10 min"')
    })

    it.each([
      ['14 min 59 s', 15 * MINUTE, true],
      ['more than 15 min', 15 * MINUTE + 1, false],
    ])('reopens an incident %s after it was resolved, or opens another', async (_, later, same) => {
      const book = await newBook()
      await book.observe(down('fra-1'), open('fra-1 is down'), T)
      await book.observe(down('fra-1'), closed, T)
      await book.settle(T + MINUTE)
      const [first] = await stored()
      await book.settle(T + MINUTE + later)
      await book.observe(down('fra-1'), open('fra-1 is down'), T + MINUTE + later)
      expect(only(book).id === first?.id).toBe(same)
      expect(only(book)).toMatchObject({ state: 'open', signals: { length: same ? 2 : 1 } })
      expect(only(book).resolvedAt).toBeUndefined()
      expect(events().filter((type) => type === 'incident.opened')).toHaveLength(2)
    })

    it('becomes worse with a worse signal, and never better', async () => {
      const book = await newBook()
      await book.observe(down('fra-1'), open('fra-1 is down'), T)
      await book.observe(stuck('fra-1'), open('pushes', { severity: 'critical' }), T)
      await book.observe(storm('fra'), open('tunnels', { severity: 'info' }), T)
      expect(only(book)).toMatchObject({ severity: 'critical', title: 'pushes' })
    })

    it('says the impact of all its signals, also of those that are over', async () => {
      const book = await newBook()
      await book.observe(down('fra-1'), open('', { impact: 'down for 1 s' }), T)
      await book.observe(stuck('fra-1'), open('', { impact: '20 pushes' }), T)
      for (let second = 1; second <= 6; second += 1) {
        const at = T + second * 1_000
        await book.observe(down('fra-1'), open('', { impact: `down for ${second} s` }), at)
        await book.observe(stuck('fra-1'), open('', { impact: `${20 + second} pushes` }), at)
      }
      expect(only(book).impact).toBe('down for 6 s; 25 pushes')
      await book.observe(stuck('fra-1'), closed, T + 7_000)
      await book.observe(down('fra-1'), open('', { impact: 'down for 12 s' }), T + 12_000)
      expect(only(book).impact).toBe('down for 12 s; 25 pushes')
    })

    it('keeps the list of a signal that comes and goes readable', async () => {
      const book = await newBook()
      await book.observe(down('fra-1'), open('first'), T)
      for (let turn = 1; turn <= 230; turn += 1) {
        await book.observe(stuck('fra-1'), open('pushes'), T + turn)
        await book.observe(stuck('fra-1'), closed, T + turn)
      }
      expect(only(book).signals.length).toBeLessThanOrEqual(101)
      expect(only(book).signals[0]).toMatchObject({ kind: 'node.down' })
      expect(book.signal('node.down', 'node:fra-1')).not.toBeNull()
    })

    it('relates drains once', async () => {
      const book = await newBook()
      await book.observe(down('fra-1'), open('fra-1 is down'), T)
      const drains = [
        { id: 'd1', region: 'fra', nodes: [] },
        { id: 'd2', nodes: ['fra-1'] },
        { id: 'd3', region: 'iad', nodes: ['iad-1'] },
      ]
      await book.relateDrains(drains)
      const { version } = (await store.storedIncident(only(book).id))!
      await book.relateDrains(drains)
      expect(only(book).drains).toEqual(['d1', 'd2'])
      expect((await store.storedIncident(only(book).id))?.version).toBe(version)
    })
  })

  describe('what people decide', () => {
    it('moves an incident on, and refuses what its state does not allow', async () => {
      const book = await newBook()
      await book.observe(down('fra-1'), open('fra-1 is down'), T)
      const { id } = only(book)
      await book.acknowledge(id, 'ana', T + 1_000)
      await expect(book.acknowledge(id, 'ben', T + 2_000)).rejects.toMatchObject({ code: 'ERR_CONFLICT' })
      await book.mitigate(id, 'ana', T + 3_000)
      await book.resolve(id, 'ana', T + 4_000)
      await expect(book.mitigate(id, 'ben', T + 5_000)).rejects.toMatchObject({ code: 'ERR_CONFLICT' })
      await book.resolve(id, 'ben', T + 6_000)
      expect(await store.incident(id)).toMatchObject({
        state: 'resolved',
        acknowledgedBy: 'ana',
        mitigatedAt: new Date(T + 3_000).toISOString(),
        resolvedAt: new Date(T + 4_000).toISOString(),
      })
      expect(events().slice(2)).toEqual(['incident.acknowledged', 'incident.mitigated', 'incident.resolved'])
    })

    it('rejects with ERR_NOT_FOUND for an incident that there is not', async () => {
      const book = await newBook()
      await expect(book.acknowledge('nope', 'ana', T)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' })
    })

    it('changes an incident of last year, which is in the store alone', async () => {
      const year = 366 * 24 * 60 * MINUTE
      const old = { state: 'resolved' as const, resolvedAt: new Date(T - year).toISOString() }
      await store.saveIncident(storedIncident('old', old), 0)
      const book = await newBook()
      await book.patch('old', { title: 'The fibre cut of last year' })
      expect(await store.incident('old')).toMatchObject({ title: 'The fibre cut of last year', ...old })
      await book.settle(T + 1_000)
      expect(book.known('old')).toBeNull()
    })

    it('is quiet about what was resolved by hand until the condition has ended once', async () => {
      const book = await newBook()
      await book.observe(down('fra-1'), open('fra-1 is down'), T)
      await book.resolve(only(book).id, 'ana', T + 1_000)
      await book.observe(down('fra-1'), open('fra-1 is down'), T + 2_000)
      await book.settle(T + 60 * MINUTE)
      await book.observe(down('fra-1'), { state: 'hold' }, T + 60 * MINUTE)
      await book.observe(down('fra-1'), open('fra-1 is down'), T + 61 * MINUTE)
      expect(book.open()).toEqual([])
      // Another signal of the same node is news.
      await book.observe(stuck('fra-1'), open('pushes'), T + 62 * MINUTE)
      expect(titles(book)).toEqual(['pushes'])
      await book.observe(down('fra-1'), closed, T + 63 * MINUTE)
      await book.observe(down('fra-1'), open('fra-1 is down again'), T + 64 * MINUTE)
      expect(book.signal('node.down', 'node:fra-1')).not.toBeNull()
    })
  })

  describe('after a restart of the collector', () => {
    it('keeps a title that an operator wrote, over a worse signal', async () => {
      const before = await newBook()
      await before.observe(down('fra-1'), open('fra-1 is down'), T)
      await before.patch(only(before).id, { title: 'Fibre cut in Frankfurt' })
      const book = await newBook(T + MINUTE)
      await book.observe(stuck('fra-1'), open('pushes', { severity: 'critical' }), T + MINUTE)
      expect(only(book)).toMatchObject({ title: 'Fibre cut in Frankfurt', severity: 'critical' })
    })

    it('keeps what was acknowledged and mitigated, also where another signal joins', async () => {
      const before = await newBook()
      await before.observe(down('fra-1'), open('fra-1 is down'), T)
      const { id } = only(before)
      await before.acknowledge(id, 'ana', T + 1_000)
      await before.mitigate(id, 'ana', T + 2_000)
      const book = await newBook(T + MINUTE)
      await book.observe(stuck('fra-1'), open('pushes'), T + MINUTE)
      expect(only(book)).toMatchObject({
        state: 'mitigated',
        acknowledgedAt: new Date(T + 1_000).toISOString(),
        acknowledgedBy: 'ana',
        mitigatedAt: new Date(T + 2_000).toISOString(),
      })
    })

    it('stays quiet about what was resolved by hand, and speaks again once the condition has ended', async () => {
      const before = await newBook()
      await before.observe(down('fra-1'), open('fra-1 is down'), T)
      await before.resolve(only(before).id, 'ana', T + 1_000)
      // A day later: the incident itself is long settled.
      const day = 24 * 60 * MINUTE
      const quiet = await newBook(T + day)
      await quiet.settle(T + day)
      await quiet.observe(down('fra-1'), open('fra-1 is down'), T + day + 1_000)
      expect(quiet.open()).toEqual([])
      expect(quiet.held()).toMatchObject([{ kind: 'node.down', scope: 'node:fra-1' }])
      const again = await newBook(T + 2 * day)
      await again.observe(down('fra-1'), closed, T + 2 * day)
      expect(again.held()).toEqual([])
      const last = await newBook(T + 3 * day)
      await last.observe(down('fra-1'), open('fra-1 is down again'), T + 3 * day)
      expect(titles(last)).toEqual(['fra-1 is down again'])
    })

    it('gives rules back when the evidence began and what they had counted', async () => {
      const memory: SignalMemory = { epoch: 'run1', receivedSince: 1_240 }
      const before = await newBook()
      await before.observe(stuck('fra-1'), open('pushes', { startedAt: T - 7_000 }), T)
      await before.observe(stuck('fra-1'), open('pushes', { impact: '1 240 pushes', memory }), T + 6_000)
      await before.observe(storm('fra'), open('tunnels', { startedAt: T - 3_000 }), T + 6_000)
      const book = await newBook(T + MINUTE)
      expect(book.signal('push.stuck', 'node:fra-1')).toEqual({ startedAt: T - 7_000, openedAt: T, memory })
      expect(book.signal('tunnel.storm', 'region:fra')).toMatchObject({ startedAt: T - 3_000 })
      await book.observe(storm('fra'), open('tunnels', { impact: '9 tunnels' }), T + MINUTE)
      expect(only(book).impact).toBe('1 240 pushes; 9 tunnels')
    })

    it('takes an incident of the version before, which kept nothing beside it', async () => {
      const signals = [
        { kind: 'node.down', scope: 'node:fra-1', openedAt: new Date(T).toISOString(), sentence: '' },
      ]
      const old = { nodes: ['fra-1'], signals, startedAt: new Date(T - 9_000).toISOString() }
      await store.saveIncident({ ...storedIncident('old', old), resume: {} }, 0)
      const book = await newBook(T + MINUTE)
      expect(book.signal('node.down', 'node:fra-1')).toMatchObject({ startedAt: T - 9_000, memory: null })
      await book.observe(down('fra-1'), closed, T + MINUTE)
      expect(told.at(-1)).toContain(`"heldMs":${MINUTE + 9_000}`)
    })

    it('ends what the version before left open in two incidents, in the newer one', async () => {
      const signals = [
        { kind: 'node.down', scope: 'node:fra-1', openedAt: new Date(T).toISOString(), sentence: '' },
      ]
      await store.saveIncident(storedIncident('older', { signals, nodes: ['fra-1'] }), 0)
      await store.saveIncident({ ...storedIncident('newer', { signals, nodes: ['fra-1'] }), open: [] }, 0)
      const book = await newBook(T)
      await book.settle(T)
      expect(told).toEqual([expect.stringContaining('"sentence":"it is open in incident older after')])
      await book.settle(T + 2 * MINUTE)
      expect(book.open().map(({ id }) => id)).toEqual(['older'])
    })
  })

  describe('beside another collector on the same store', () => {
    it('ends with one incident where both see a signal at once', async () => {
      const books = await Promise.all([newBook(), newBook(), newBook()])
      await Promise.all(books.map((book) => book.observe(down('fra-1'), open('fra-1 is down'), T)))
      expect(await stored()).toHaveLength(1)
      expect(events()).toEqual(['incident.opened', 'signal.opened'])
      for (const book of books) expect(only(book).id).toBe((await stored())[0]?.id)
    })

    it('ends with one incident where each sees another signal of one node first', async () => {
      const [a, b] = [await newBook(), await newBook()]
      await a.observe(down('fra-1'), open('fra-1 is down'), T)
      await b.observe(stuck('fra-1'), open('pushes'), T + 1_000)
      await a.observe(stuck('fra-1'), open('pushes'), T + 1_000)
      await b.observe(down('fra-1'), open('fra-1 is down'), T + 2_000)
      expect(await stored()).toHaveLength(1)
      expect(only(a).signals).toHaveLength(2)
    })

    it('folds a signal once where both see it at once, into an incident that is open already', async () => {
      const [a, b] = [await newBook(), await newBook()]
      await a.observe(down('fra-1'), open('fra-1 is down'), T)
      await b.load(T + 1)
      await Promise.all([a, b].map((book) => book.observe(stuck('fra-1'), open('pushes'), T + 1_000)))
      expect(await stored()).toMatchObject([{ signals: [{ kind: 'node.down' }, { kind: 'push.stuck' }] }])
      expect(events().filter((type) => type === 'signal.opened')).toHaveLength(2)
    })

    it('loses nothing of what the other wrote meanwhile', async () => {
      const [a, b] = [await newBook(), await newBook()]
      await a.observe(down('fra-1'), open('fra-1 is down'), T)
      await b.load(T + 1_000)
      const { id } = only(a)
      await a.patch(id, { title: 'Fibre cut' })
      await b.acknowledge(id, 'ben', T + 2_000)
      await a.observe(stuck('fra-1'), open('pushes', { severity: 'critical' }), T + 3_000)
      await b.observe(down('fra-1'), closed, T + 4_000)
      expect(await store.incident(id)).toMatchObject({
        title: 'Fibre cut',
        state: 'acknowledged',
        acknowledgedBy: 'ben',
        severity: 'critical',
        signals: [{ kind: 'node.down', closedAt: expect.any(String) }, { kind: 'push.stuck' }],
      })
    })

    it('closes and resolves once', async () => {
      const [a, b] = [await newBook(), await newBook()]
      await a.observe(down('fra-1'), open('fra-1 is down'), T)
      await b.observe(down('fra-1'), open('fra-1 is down'), T)
      await Promise.all([a, b].map((book) => book.observe(down('fra-1'), closed, T + 1_000)))
      await Promise.all([a, b].map((book) => book.settle(T + 2 * MINUTE)))
      expect(events()).toEqual(['incident.opened', 'signal.opened', 'signal.closed', 'incident.resolved'])
      expect([...a.open(), ...b.open()]).toEqual([])
    })

    it('does not resolve by itself what the other has just seen open again', async () => {
      const [a, b] = [await newBook(), await newBook()]
      await a.observe(down('fra-1'), open('fra-1 is down'), T)
      await a.observe(down('fra-1'), closed, T)
      await b.load(T + 1)
      await a.observe(down('fra-1'), open('fra-1 is down'), T + MINUTE - 1)
      await b.settle(T + MINUTE)
      expect((await stored()).map(({ state }) => state)).toEqual(['open'])
      expect(only(b).signals).toHaveLength(2)
    })

    it('is quiet about what an operator resolved on the other', async () => {
      const [a, b] = [await newBook(), await newBook()]
      await a.observe(down('fra-1'), open('fra-1 is down'), T)
      await a.resolve(only(a).id, 'ana', T + 1_000)
      await b.observe(down('fra-1'), open('fra-1 is down'), T + 2_000)
      expect([...a.open(), ...b.open()]).toEqual([])
      // Both see that it is over, and then that it began anew.
      for (const book of [b, a]) await book.observe(down('fra-1'), closed, T + 3_000)
      for (const book of [b, a]) await book.observe(down('fra-1'), open('fra-1 is down'), T + 4_000)
      expect(await stored()).toMatchObject([{ state: 'open', signals: { length: 2 } }])
    })

    it('lets the first of two operators win', async () => {
      const [a, b] = [await newBook(), await newBook()]
      await a.observe(down('fra-1'), open('fra-1 is down'), T)
      await b.load(T + 1)
      const { id } = only(a)
      const results = await Promise.allSettled([a.acknowledge(id, 'ana', T), b.acknowledge(id, 'ben', T)])
      expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
      expect(events().filter((type) => type === 'incident.acknowledged')).toHaveLength(1)
    })
  })

  describe('over a store that fails', () => {
    const fault = new AppError('ERR_STORE_UNAVAILABLE', 'The store is unavailable: the disk is full')
    let broken = false
    const failing = (): Promise<IncidentBook> =>
      newBook(T, {
        saveIncident: (...change) => (broken ? Promise.reject(fault) : store.saveIncident(...change)),
        unmuteSignal: (key) => (broken ? Promise.reject(fault) : store.unmuteSignal(key)),
      })
    beforeEach(() => {
      broken = false
    })

    it('shows nothing that is not stored, and opens it when the store is back', async () => {
      const book = await failing()
      broken = true
      await expect(book.observe(down('fra-1'), open('fra-1 is down'), T)).rejects.toBe(fault)
      expect(book.open()).toEqual([])
      expect(told).toEqual([])
      broken = false
      await book.observe(down('fra-1'), open('fra-1 is down'), T + 1_000)
      expect(events()).toEqual(['incident.opened', 'signal.opened'])
      expect(await stored()).toEqual(book.open())
    })

    it('does not let a change that failed half-way look done', async () => {
      const book = await failing()
      await book.observe(down('fra-1'), open('fra-1 is down'), T)
      const before = only(book)
      broken = true
      for (const attempt of [
        () => book.observe(stuck('fra-1'), open('pushes'), T + 1_000),
        () => book.observe(down('fra-1'), closed, T + 1_000),
        () => book.acknowledge(before.id, 'ana', T + 1_000),
        () => book.patch(before.id, { title: 'Fibre cut' }),
        () => book.resolve(before.id, 'ana', T + 1_000),
      ])
        await expect(attempt()).rejects.toBe(fault)
      expect(only(book)).toEqual(before)
      broken = false
      await book.observe(stuck('fra-1'), open('pushes', { severity: 'critical' }), T + 2_000)
      expect(only(book)).toMatchObject({ title: 'pushes', state: 'open', signals: { length: 2 } })
    })

    it('stays quiet until it is written that a condition has ended', async () => {
      const book = await failing()
      await book.observe(down('fra-1'), open('fra-1 is down'), T)
      await book.resolve(only(book).id, 'ana', T + 1_000)
      broken = true
      await expect(book.observe(down('fra-1'), closed, T + 2_000)).rejects.toBe(fault)
      await book.observe(down('fra-1'), open('fra-1 is down'), T + 3_000)
      broken = false
      expect(book.open()).toEqual([])
      await book.observe(down('fra-1'), closed, T + 4_000)
      await book.observe(down('fra-1'), open('fra-1 is down'), T + 5_000)
      expect(book.open()).toHaveLength(1)
    })

    it('takes up what was written although the answer never came', async () => {
      let lost = true
      const book = await newBook(T, {
        async saveIncident(...change) {
          await store.saveIncident(...change)
          if (lost) throw fault
        },
      })
      await expect(book.observe(down('fra-1'), open('fra-1 is down'), T)).rejects.toBe(fault)
      lost = false
      await book.observe(down('fra-1'), open('fra-1 is down'), T + 1_000)
      expect(events()).toEqual(['incident.opened', 'signal.opened'])
      await book.acknowledge(only(book).id, 'ana', T + 2_000)
      expect(await stored()).toMatchObject([{ state: 'acknowledged' }])
    })
  })
})
