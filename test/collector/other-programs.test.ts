import type { RequestListener } from 'node:http'
import { afterEach, expect, it, vi } from 'vitest'
import { Collector } from '../../server/collector/collector.ts'
import type { CollectorOptions } from '../../server/collector/collector-options.ts'
import { nodeDetailSchema } from '../../server/contract/answers/node.ts'
import type { LivePublisher, SamplePoint } from '../../server/contract/index.ts'
import { log, sqlite } from '../store/fixtures.ts'
import { startJsonNode } from './adapters/json/json-node.ts'

const closers: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const INTERVAL_MS = 200
const eventually = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 15_000, interval: 25 })
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
const page =
  (body: string): RequestListener =>
  (_request, response) =>
    void response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(body)

/** A server that stands for a program, and a collector that has nothing but it to watch. */
const start = async (answer: RequestListener, node: (url: string) => CollectorOptions['nodes'][number]) => {
  const program = await startJsonNode(answer)
  closers.push(() => program.close())
  const { store, remove } = await sqlite.create({ expectedIntervalMs: INTERVAL_MS })
  closers.push(remove)
  const samples: SamplePoint[] = []
  let seq = 0
  const live: LivePublisher = {
    hub: 'hub',
    get seq() {
      return seq
    },
    event: () => undefined,
    samples: (points) => void samples.push(...points),
    changed() {
      seq += 1
    },
  }
  const collector = new Collector({
    store,
    live,
    log,
    regions: [{ id: 'sjc', name: 'San José' }],
    nodes: [node(program.url)],
    polling: { intervalMs: INTERVAL_MS, timeoutMs: INTERVAL_MS - 10, allow: [] },
    demo: true,
    version: '0.1.0',
  })
  closers.push(() => collector.close())
  const began = Date.now()
  await collector.start()
  await eventually(() => expect(collector.node('other-1')?.state).toBe('up'))
  const rises = () => samples.flatMap(({ values }) => values.requests ?? [])
  const drawn = async (metric: 'connections' | 'requests') => {
    const scope = { kind: 'node', id: 'other-1' } as const
    const asked = { scope, metrics: [metric], from: began, to: Date.now(), points: 600 }
    return (await store.series(asked)).series.find((each) => each.metric === metric)?.points ?? []
  }
  return { program, collector, rises, drawn }
}

it('a node of kind prometheus is polled, judged, drawn and listed; its restart makes no leap', async () => {
  const said = (open: number, asked: number, began: number) =>
    `# TYPE open gauge\nopen ${open}\n# TYPE asked_total counter\nasked_total{code="200"} ${asked}\nprocess_start_time_seconds ${began}\n`
  const { program, collector, rises, drawn } = await start(
    page(said(7, 1_000_000, 1_700_000_000)),
    (url) => ({
      id: 'other-1',
      region: 'sjc',
      kind: 'prometheus',
      url,
      map: { connections: { metric: 'open' }, requests: { metric: 'asked_total' } },
      embedded: false,
    }),
  )
  expect(nodeDetailSchema.parse(collector.node('other-1'))).toMatchObject({
    kind: 'prometheus',
    streamState: 'none',
    problems: [],
    numbers: { connections: 7, requests: 1_000_000 },
    health: { open: 7, 'asked_total{code="200"}': 1_000_000 },
    tables: [{ id: 'mapped', total: 2 }],
  })
  expect(collector.regions()[0]).toMatchObject({ id: 'sjc', up: 1, connections: 7 })
  program.answer = page(said(9, 1_000_040, 1_700_000_000))
  await eventually(() => expect(collector.node('other-1')?.numbers.requests).toBe(1_000_040))
  expect(sum(rises())).toBe(40)
  await eventually(async () =>
    expect(Math.max(...(await drawn('connections')).map((point) => point[2]))).toBe(9),
  )

  // Something else for a while, and then a process that began anew.
  program.answer = page('<html>')
  await eventually(() => expect(collector.node('other-1')?.problems[0]).toContain('no page for Prometheus'))
  program.answer = page(said(1, 3, Date.now() / 1_000))
  await eventually(() => expect(collector.node('other-1')?.numbers.requests).toBe(3))
  expect(sum(rises())).toBe(43)
  expect(Math.min(...rises())).toBe(0)

  program.answer = page('opened 1\n')
  await eventually(() => expect(collector.node('other-1')?.state).toBe('down'))
  expect(collector.node('other-1')?.problems[0]).toContain(
    'no series open in the answer (mapped to connections)',
  )
})

it('a node of kind nginx is polled, judged, drawn and listed; its restart makes no leap', async () => {
  const said = (active: number, requests: number) =>
    `Active connections: ${active} \nserver accepts handled requests\n ${requests} ${requests} ${requests} \nReading: 0 Writing: 1 Waiting: ${active - 1} \n`
  /** As nginx does, it counts those who ask. */
  const counting =
    (active: number, from: number): RequestListener =>
    (request, response) => {
      asked += 1
      page(said(active, from + asked))(request, response)
    }
  let asked = 0
  const { program, collector, rises, drawn } = await start(counting(8, 1_000_000), (url) => ({
    id: 'other-1',
    region: 'sjc',
    kind: 'nginx',
    url,
    embedded: false,
  }))
  expect(nodeDetailSchema.parse(collector.node('other-1'))).toMatchObject({
    kind: 'nginx',
    problems: [],
    numbers: { connections: 7 },
    health: { active: 8, waiting: 7 },
    tables: [{ id: 'connections', total: 3 }],
  })
  program.answer = counting(10, 1_000_040)
  await eventually(async () =>
    expect(Math.max(...(await drawn('connections')).map((point) => point[2]))).toBe(9),
  )
  expect(sum(rises())).toBe(40)
  asked = 0
  program.answer = counting(1, 3)
  await eventually(() => expect(collector.node('other-1')?.numbers.requests).toBe(3))
  expect(sum(rises())).toBe(43)
  expect(Math.min(...rises())).toBe(0)
  program.answer = page('Welcome to nginx!')
  await eventually(() => expect(collector.node('other-1')?.problems[0]).toContain('no stub_status page'))
})

it('a node of kind caddy is polled, judged, drawn and listed; its restart makes no leap', async () => {
  const answer =
    (requests: number, began: number, healthy: 0 | 1): RequestListener =>
    (request, response) =>
      void response.end(
        request.url === '/reverse_proxy/upstreams'
          ? JSON.stringify([{ address: 'a:1', num_requests: 2, fails: 0 }])
          : `process_start_time_seconds ${began}\nprocess_open_fds 9\nprocess_resident_memory_bytes 1e7\ncaddy_http_requests_total{handler="subroute",server="srv0"} ${requests}\ncaddy_reverse_proxy_upstreams_healthy{upstream="a:1"} ${healthy}\n`,
      )
  const { program, collector, rises } = await start(answer(1_000_000, 1_700_000_000, 1), (url) => ({
    id: 'other-1',
    region: 'sjc',
    kind: 'caddy',
    url: new URL(url).origin,
    embedded: false,
  }))
  expect(nodeDetailSchema.parse(collector.node('other-1'))).toMatchObject({
    kind: 'caddy',
    problems: [],
    numbers: { requests: 1_000_000, openFds: 9 },
    tables: [{ id: 'upstreams', total: 1 }, { id: 'handlers' }],
  })
  expect(collector.regions()[0]?.connections).toBeNull()
  program.answer = answer(1_000_040, 1_700_000_000, 0)
  await eventually(() =>
    expect(collector.node('other-1')).toMatchObject({
      state: 'degraded',
      problems: ['none of its 1 upstreams is healthy'],
      numbers: { requests: 1_000_040 },
    }),
  )
  program.answer = answer(3, Date.now() / 1_000, 1)
  await eventually(() =>
    expect(collector.node('other-1')).toMatchObject({ state: 'up', numbers: { requests: 3 } }),
  )
  expect(sum(rises())).toBe(43)
  expect(Math.min(...rises())).toBe(0)
})
