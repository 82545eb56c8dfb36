import type { RequestListener } from 'node:http'
import { afterEach, expect, it, vi } from 'vitest'
import { Collector } from '../../server/collector/collector.ts'
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
const said = (open: number, asked: number, began: number) =>
  `# TYPE open gauge\nopen ${open}\n# TYPE asked_total counter\nasked_total{code="200"} ${asked}\nprocess_start_time_seconds ${began}\n`

it('a node of kind prometheus is polled, judged, drawn and listed; its restart makes no leap', async () => {
  const program = await startJsonNode(page(said(7, 1_000_000, 1_700_000_000)))
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
    nodes: [
      {
        id: 'pool-1',
        region: 'sjc',
        kind: 'prometheus',
        url: program.url,
        map: { connections: { metric: 'open' }, requests: { metric: 'asked_total' } },
        embedded: false,
      },
    ],
    polling: { intervalMs: INTERVAL_MS, timeoutMs: INTERVAL_MS - 10, allow: [] },
    demo: true,
    version: '0.1.0',
  })
  closers.push(() => collector.close())
  const began = Date.now()
  await collector.start()
  await eventually(() => expect(collector.node('pool-1')?.state).toBe('up'))
  expect(nodeDetailSchema.parse(collector.node('pool-1'))).toMatchObject({
    kind: 'prometheus',
    streamState: 'none',
    problems: [],
    numbers: { connections: 7, requests: 1_000_000 },
    health: { open: 7, 'asked_total{code="200"}': 1_000_000 },
    tables: [{ id: 'mapped', total: 2 }],
  })
  expect(collector.regions()[0]).toMatchObject({ id: 'sjc', up: 1, connections: 7 })
  program.answer = page(said(9, 1_000_040, 1_700_000_000))
  await eventually(() => expect(collector.node('pool-1')?.numbers.requests).toBe(1_000_040))
  const rises = () => samples.flatMap(({ values }) => values.requests ?? [])
  expect(sum(rises())).toBe(40)
  await eventually(async () => {
    const { series } = await store.series({
      scope: { kind: 'node', id: 'pool-1' },
      metrics: ['requests', 'connections'],
      from: began,
      to: Date.now(),
      points: 600,
    })
    const points = series.find(({ metric }) => metric === 'connections')?.points ?? []
    expect(Math.max(...points.map((point) => point[2]))).toBe(9)
  })

  // Something else for a while, and then a process that began anew.
  program.answer = page('<html>')
  await eventually(() => expect(collector.node('pool-1')?.problems[0]).toContain('no page for Prometheus'))
  program.answer = page(said(1, 3, Date.now() / 1_000))
  await eventually(() => expect(collector.node('pool-1')?.numbers.requests).toBe(3))
  expect(sum(rises())).toBe(43)
  expect(Math.min(...rises())).toBe(0)

  program.answer = page('opened 1\n')
  await eventually(() => expect(collector.node('pool-1')?.state).toBe('down'))
  expect(collector.node('pool-1')?.problems[0]).toContain(
    'no series open in the answer (mapped to connections)',
  )
})
