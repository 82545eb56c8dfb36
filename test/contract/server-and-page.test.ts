import { QueryClient, type QueryFunction, QueryObserver } from '@tanstack/react-query'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { CacheWriter } from '@/components/data/cache-writer.ts'
import { readTimeline, type TimelineData, timelineTopics } from '@/components/data/timeline.ts'
import { timelineRows } from '@/components/incidents/timeline-rows.ts'
import { createSnapshots } from '../../server/api/snapshots.ts'
import { Collector } from '../../server/collector/collector.ts'
import { foldRows, type Incident, type LivePublisher, type Overview } from '../../server/contract/index.ts'
import { Hub } from '../../server/live/hub.ts'
import type { Subscriber } from '../../server/live/subscriber.ts'
import { parseTopic } from '../../server/live/topic.ts'
import { apiToken, startServer } from '../api/server.ts'
import { type ScriptedNode, startScriptedNode } from '../collector/scripted-node.ts'
import { log, sqlite } from '../store/fixtures.ts'

const closers: (() => Promise<void> | void)[] = []
const eventually = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 15_000, interval: 25 })

/** A room with the real collector, store, API and live stream, and the part of a page that has no JSX. */
const startBoth = async () => {
  const nodes: ScriptedNode[] = []
  for (const id of ['fra-1', 'fra-2', 'iad-1']) {
    const node = await startScriptedNode(id)
    closers.push(() => node.close())
    nodes.push(node)
  }
  const place = await sqlite.create()
  closers.push(() => place.remove())
  let snapshot = async (_topic: string): Promise<unknown> => null
  const hub: LivePublisher & Hub = new Hub({ log, snapshot: (topic) => snapshot(topic) })
  closers.push(() => hub.close())
  const collector = new Collector({
    store: place.store,
    live: hub,
    log,
    regions: ['fra', 'iad'].map((id) => ({ id, name: id })),
    nodes: nodes.map(({ id, region, url, token }) => ({
      id,
      region,
      url,
      token,
      kind: 'tidegate',
      embedded: false,
    })),
    polling: { intervalMs: 100, timeoutMs: 90, allow: [] },
    detect: {},
    demo: false,
    version: '0.1.0',
  })
  snapshot = createSnapshots(collector, place.store)
  closers.push(() => collector.close())
  const server = await startServer({ api: { collector, store: place.store } })
  closers.push(() => server.close())
  await collector.start()

  const client = new QueryClient({ defaultOptions: { queries: { retry: false, gcTime: Infinity } } })
  const writer = new CacheWriter(client)
  writer.start()
  closers.push(() => writer.stop())
  const requests: string[] = []
  const get = async <T>(path: string): Promise<T> => {
    requests.push(path)
    const answer = await server.call('GET', `/api/v1${path}`, { token: apiToken })
    expect(answer.status, answer.text).toBe(200)
    return answer.json as T
  }
  let subscriber: Subscriber | null = null
  const page = {
    client,
    get,
    /** What the browser's socket does, without the socket. */
    connect: (topics: string[], after?: { hub: string; seq: number }) => {
      subscriber = hub.join((text) => writer.write(JSON.parse(text)))
      subscriber.subscribe(
        topics.map((name) => parseTopic(name) ?? expect.unreachable(name)),
        after,
      )
    },
    disconnect: () => subscriber?.close(),
    timelineReads: () => requests.filter((path) => path.includes('/timeline')).length,
  }
  return { nodes, collector, hub, page }
}

describe('the server and the page', () => {
  let both: Awaited<ReturnType<typeof startBoth>>
  let incident: Incident
  beforeEach(async () => {
    both = await startBoth()
    const { nodes, collector } = both
    await eventually(() => expect(nodes.map((node) => node.streams)).toEqual([1, 1, 1]))
    await eventually(() => expect(collector.overview().verdict.level).toBe('ok'))
    nodes[0]?.emit('push.session_invalidated', { reason: 'goaway', ageSeconds: 62 })
    const port = Number(new URL(nodes[0]!.url).port)
    await nodes[0]?.close()
    await eventually(() => expect(collector.overview().incidents).toHaveLength(1))
    nodes[0] = await startScriptedNode('fra-1', { port, epoch: 'run2' })
    closers.push(() => nodes[0]!.close())
    await eventually(() => expect(nodes[0]!.streams).toBe(1))
    incident = collector.overview().incidents[0]!
  })
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close()
  })

  /** Opens the page of the incident: what its hooks ask for, in the order in which they do. */
  const openPage = async () => {
    const { page } = both
    page.client.setQueryData(['incident', incident.id], await page.get(`/incidents/${incident.id}`))
    page.connect(['overview', `incident:${incident.id}`, ...timelineTopics(incident)])
    watch(({ signal }) => readTimeline(incident.id, signal, page.get))
    await eventually(() => expect(kept()).toBeDefined())
  }
  /** What a panel on screen does: it is asked again when its answer is old. */
  const watch = (queryFn: QueryFunction<TimelineData>) => {
    const observer = new QueryObserver(both.page.client, { queryKey: ['timeline', incident.id], queryFn })
    closers.push(observer.subscribe(() => undefined))
  }
  const kept = () => both.page.client.getQueryData<TimelineData>(['timeline', incident.id])!
  /** What the page shows is what a request would answer now, row by row. */
  const expectFresh = () =>
    eventually(async () => {
      const fresh = await both.collector.incidents.timeline(incident.id, { limit: 1_000 })
      expect(foldRows(kept().items)).toEqual(fresh.items)
    })

  const loseTunnels = (count: number) => {
    const [fra, , iad] = both.nodes
    for (let host = 0; host < count; host++)
      fra?.emit('tunnel.lost', { hostId: `host-${host}`, code: 1006, reason: 'gone', heldMs: 5 })
    for (let host = 0; host < count; host++)
      iad?.emit('tunnel.registered', {
        hostId: `host-${host}`,
        gapMs: 200 + host,
        previousNode: 'fra-1',
        previousCloseCode: 1006,
        attempt: 1,
      })
  }

  it('agree on a timeline into which events were put as they came, and it is read no more than at the start', async () => {
    await openPage()
    await expectFresh()
    const before = both.page.timelineReads()
    loseTunnels(40)
    for (let time = 0; time < 12; time++)
      both.nodes[0]?.emit('node.problem_found', { problem: 'event loop blocked' })
    both.nodes[0]?.emit('connection.closed', {
      id: 'c',
      route: null,
      client: 'x',
      target: null,
      reason: 'idle',
      bytesUpstream: 0,
      bytesDownstream: 0,
      durationMs: 1,
    })
    both.nodes[1]?.emit('node.problem_found', { problem: 'of another node' })
    await eventually(() =>
      expect(foldRows(kept().items).map((row) => row.title)).toEqual(
        expect.arrayContaining([
          'fra-1 → 40 closes (1006) → 40 re-registered, 0 missing',
          '12 × fra-1 reports a problem: event loop blocked',
        ]),
      ),
    )
    await expectFresh()
    expect(kept().items.some((item) => item.title.includes('of another node'))).toBe(false)
    expect(kept().items.some((item) => item.title.includes('a connection on'))).toBe(false)
    // The node came back meanwhile, which changes what was not measured: that, and no event, may be a reason to read.
    expect(both.page.timelineReads() - before).toBeLessThanOrEqual(1)
  })

  it('agree on events that came while the timeline was being read', async () => {
    const { page } = both
    page.client.setQueryData(['incident', incident.id], await page.get(`/incidents/${incident.id}`))
    page.connect(['overview', `incident:${incident.id}`, ...timelineTopics(incident)])
    watch(async ({ signal }) => {
      const read = await readTimeline(incident.id, signal, page.get)
      loseTunnels(5)
      // The answer is under way for longer than the events are.
      await eventually(async () => {
        const { items } = await both.collector.incidents.timeline(incident.id, { limit: 1_000 })
        expect(items.some((item) => item.title.includes('5 closes (1006)'))).toBe(true)
      })
      await new Promise((resolve) => setTimeout(resolve, 100))
      return read
    })
    await eventually(() => expect(kept()).toBeDefined())
    await expectFresh()
  })

  it('agree after a time without the socket of which nobody kept the events', async () => {
    await openPage()
    both.page.disconnect()
    loseTunnels(120)
    await eventually(async () => {
      const { items } = await both.collector.incidents.timeline(incident.id, { limit: 1_000 })
      expect(items.some((item) => item.title.includes('120 closes'))).toBe(true)
    })
    const reads = both.page.timelineReads()
    both.page.connect(['overview', `incident:${incident.id}`, ...timelineTopics(incident)], {
      hub: 'another run of the server',
      seq: 3,
    })
    await expectFresh()
    expect(both.page.timelineReads()).toBeGreaterThan(reads)
  })

  it('agree on what no event tells: a note by somebody else, and the end', async () => {
    await openPage()
    const actor = { name: 'bo@example.com', role: 'operator', address: '127.0.0.1' } as const
    await both.collector.incidents.note(incident.id, 'the switch was rebooted', actor)
    await eventually(() =>
      expect(kept().items.some((item) => item.title === 'the switch was rebooted')).toBe(true),
    )
    await both.collector.incidents.resolve(incident.id, actor)
    await eventually(() =>
      expect(kept().items.some((item) => item.title === 'the incident was resolved by bo@example.com')).toBe(
        true,
      ),
    )
    await expectFresh()
  })

  it('agree on what a folded row stands for: it opens, and is found by what is in it', async () => {
    loseTunnels(40)
    await eventually(async () => {
      const { items } = await both.collector.incidents.timeline(incident.id, { limit: 1_000 })
      expect(items.some((item) => item.title.includes('40 closes'))).toBe(true)
    })
    await openPage()
    const everything = { kinds: [], source: null, text: '', from: null, to: null }
    const [row, ...others] = timelineRows(kept().items, { ...everything, text: 'host-17 ' })
    expect(others).toEqual([])
    expect(row?.item.title).toBe('fra-1 → 40 closes (1006) → 40 re-registered, 0 missing')
    expect(row?.members).toHaveLength(80)
    expect(row?.members.map((member) => member.title)).toContain(
      'host-17 registered on iad-1 after 217 ms; it was on fra-1 before',
    )
    // The same answer without members is as small as it was.
    const { items } = await both.collector.incidents.timeline(incident.id, { limit: 1_000 })
    expect(items.every((item) => item.members === undefined)).toBe(true)
  })

  it('agree on the overview after every change of it', async () => {
    both.page.connect(['overview'])
    const same = () => {
      const { at: _at, live: _live, ...there } = both.collector.overview()
      const { at, live, ...here } = both.page.client.getQueryData<Overview>(['overview'])!
      const stable = ({ nodes, collector, ...rest }: Omit<Overview, 'at' | 'live'>) => ({
        ...rest,
        nodes: nodes.map(({ id, state, intent, problems, numbers }) => ({
          id,
          state,
          intent,
          problems,
          numbers,
        })),
        storeOk: collector.storeOk,
      })
      expect(stable(here)).toEqual(stable(there))
    }
    await eventually(same)
    await both.nodes[1]?.close()
    await eventually(() =>
      expect(
        both.page.client.getQueryData<Overview>(['overview'])?.nodes.find((node) => node.id === 'fra-2')
          ?.state,
      ).toBe('down'),
    )
    await eventually(same)
  })
})
