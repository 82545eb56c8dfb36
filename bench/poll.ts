/**
 * What one poll costs beside Debian's Prometheus, in one run: fetched, parsed, judged and stored. Both ask the same number of targets of one
 * other process every second: first each a document of 2 KB (JSON here, a page of as many bytes there), then both the same page of 200 KB.
 * Compared is the processor time of each whole process (`/proc/PID/stat`, all threads) for each answer that its targets gave, as medians of
 * rounds in which both are under way. Ratios count, never the absolute numbers.
 *
 * What is counted. Of both: user and system time of every thread, so that the collection of garbage, the database (here with an fsync each half
 * second, there the write-ahead log of its TSDB), and all that each does whether or not it asks anybody is in it; the targets are another
 * process, and in neither. Of Tidegate also the look at all signals and the history once a second, and the hub of live frames; of neither a
 * page that is open. What comes less often than a round (the pruning here each hour, the compaction there every two) is in neither.
 *
 * npm run bench -- poll [--quick] [--row 1] [--rounds 5] [--prof DIR]      (--prof: CPU profiles of the collector)
 */
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, get } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createSnapshots } from '../server/api/snapshots.ts'
import type { NodeTarget } from '../server/collector/adapters/registry.ts'
import { Collector } from '../server/collector/collector.ts'
import { Hub } from '../server/live/hub.ts'
import { createLog } from '../server/observe/log.ts'
import { SqliteStore } from '../server/store/sqlite-store.ts'

const SELF = fileURLToPath(import.meta.url)
const PROMETHEUS = '/usr/bin/prometheus'
const INTERVAL_MS = 1_000
/** Of the clock in which the kernel counts processor time: `getconf CLK_TCK` is 100 on every Linux that Node runs on. */
const TICK_MS = 10
/** The whole run is given up after this. */
const LIMIT_MS = 240_000
const ROLE = process.env.POLL_BENCH_ROLE
const { values: args } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    prof: { type: 'string' },
    row: { type: 'string' },
    rounds: { type: 'string' },
  },
})
const ROUNDS = Number(args.rounds ?? (args.quick ? 2 : 5))
const ROUND_MS = args.quick ? 4_000 : 8_000
/** A room runs for months: neither side's first seconds are what a poll costs. */
const WARM_MS = args.quick ? 6_000 : 20_000

interface Row {
  name: string
  targets: number
  /** Most that a poll may cost, as a share of a scrape. */
  goal: number
  kind: 'json' | 'prometheus'
}
const ALL_ROWS: readonly Row[] = [
  { name: '2 KB JSON, beside a page of 2 KB', targets: 200, goal: 0.5, kind: 'json' },
  { name: 'a page of 200 KB, the same for both', targets: 20, goal: 1, kind: 'prometheus' },
]

/** `--row 2` alone. */
const ROWS = args.row === undefined ? ALL_ROWS : ALL_ROWS.slice(Number(args.row) - 1, Number(args.row))

/** Some program's numbers, in about so many bytes; some rise. */
const documentOf = (turn: number): string =>
  JSON.stringify({
    ok: true,
    region: 'fra',
    version: '2.4.1',
    uptime_seconds: turn,
    stats: {
      open: 40 + (turn % 7),
      accepted: 9_000 + turn,
      refused: 3,
      requests: 10 * turn,
      failed: turn >> 3,
    },
    bytes: { up: 1_000 * turn, down: 3_000 * turn },
    rest: Array.from({ length: 30 }, (_, index) => ({
      pool: `backend-${index}`,
      healthy: true,
      active: index,
      waits: turn,
    })),
  })

/** A page of about so many bytes: families of fifty series, as programs have them. */
const pageOf = (bytes: number): ((turn: number) => string) => {
  const lines: string[] = []
  for (let size = 0, series = 0; size < bytes; series += 1) {
    const name = `app_${Math.floor(series / 50)}_requests_total`
    const head = series % 50 === 0 ? `# HELP ${name} Requests.\n# TYPE ${name} counter\n` : ''
    const line = `${head}${name}{handler="/api/v1/things",code="${200 + (series % 5)}",pod="pod-${series}"} `
    lines.push(line)
    size += line.length + 7
  }
  return (turn) => {
    const open = `# TYPE app_open gauge\napp_open ${40 + (turn % 7)}\nprocess_start_time_seconds 1.7e9\n`
    return `${lines.map((line, index) => `${line}${100_000 + index + turn}`).join('\n')}\n${open}`
  }
}

/** The process of the targets: every path is one, and what was asked of each kind of client is counted. */
const serveTargets = async (): Promise<void> => {
  const pages = { small: pageOf(2_048 - 160), large: pageOf(200_000) }
  const counts: Record<string, number> = {}
  const made = new Map<string, { at: number; text: string }>()
  const textOf = (what: string): string => {
    const turn = Math.floor(process.uptime())
    const known = made.get(what)
    if (known?.at === turn) return known.text
    const text = what === 'json' ? documentOf(turn) : what === 'large' ? pages.large(turn) : pages.small(turn)
    made.set(what, { at: turn, text })
    return text
  }
  const server = createServer((request, response) => {
    const [, client = '', what = ''] = (request.url ?? '').split('/')
    counts[client] = (counts[client] ?? 0) + 1
    response.setHeader('content-type', what === 'json' ? 'application/json' : 'text/plain; version=0.0.4')
    response.end(textOf(what))
  })
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1_024 })
  await once(server, 'listening')
  process.on('message', () => process.send?.(counts))
  process.on('disconnect', () => process.exit(0))
  process.send?.((server.address() as AddressInfo).port)
}

const collect = async (): Promise<void> => {
  const [{ nodes }] = (await once(process, 'message')) as [{ nodes: NodeTarget[] }]
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-bench-'))
  const log = createLog('bench', 'error')
  const store = new SqliteStore({
    url: `file:${join(folder, 'tidegate.db')}`,
    log,
    expectedIntervalMs: INTERVAL_MS,
  })
  await store.open()
  const hub: Hub = new Hub({ log, snapshot: (topic) => createSnapshots(collector, store)(topic) })
  const collector: Collector = new Collector({
    store,
    live: hub,
    log,
    regions: [{ id: 'fra', name: 'Frankfurt' }],
    nodes,
    polling: { intervalMs: INTERVAL_MS, timeoutMs: 900, allow: [] },
    demo: false,
    version: '0.0.0',
  })
  await collector.start()
  process.on('message', () => {
    const { totals, nodes: all } = collector.overview()
    process.send?.({ up: totals.up, why: all.find((node) => node.state !== 'up')?.problems[0] })
  })
  process.send?.('ready')
  await once(process, 'disconnect')
  await collector.close()
  hub.close()
  await store.close()
  rmSync(folder, { recursive: true, force: true })
  process.exit(0)
}

const startChild = (role: string): ChildProcess => {
  const child = fork(SELF, process.argv.slice(2), {
    env: { ...process.env, POLL_BENCH_ROLE: role },
    execArgv:
      args.prof !== undefined && role === 'collector'
        ? [...process.execArgv, '--cpu-prof', `--cpu-prof-dir=${args.prof}`]
        : process.execArgv,
  })
  children.push(child)
  return child
}

const answerOf = async <T>(child: ChildProcess, question: string | object): Promise<T> => {
  const answer = once(child, 'message')
  child.send(question)
  return (await answer)[0] as T
}

const freePort = async (): Promise<number> => {
  const server = createTcpServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

const startPrometheus = async (
  folder: string,
  port: number,
  paths: readonly string[],
): Promise<ChildProcess> => {
  const own = await freePort()
  const configs = paths.map((path) => ({
    targets: [`127.0.0.1:${port}`],
    labels: { __metrics_path__: path, job: path },
  }))
  const config = join(folder, 'prometheus.yml')
  // JSON is YAML.
  writeFileSync(
    config,
    JSON.stringify({
      global: { scrape_interval: `${INTERVAL_MS}ms`, scrape_timeout: '900ms' },
      scrape_configs: [{ job_name: 'bench', static_configs: configs }],
    }),
  )
  const child = spawn(
    PROMETHEUS,
    [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${own}`,
      '--log.level=error',
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  )
  children.push(child)
  const until = performance.now() + 20_000
  const isReady = () =>
    new Promise<boolean>((resolve) => {
      get(`http://127.0.0.1:${own}/-/ready`, (answer) => {
        answer.resume()
        resolve(answer.statusCode === 200)
      }).on('error', () => resolve(false))
    })
  while (!(await isReady())) {
    if (performance.now() > until || child.exitCode !== null) throw new Error('Prometheus did not begin')
    await sleep(100)
  }
  return child
}

/** Processor time of a process with all its threads, in ms (proc(5): fields 14 and 15). */
const cpuOf = ({ pid }: ChildProcess): number => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS
}

const median = (values: number[]): number => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
const say = (text: string) => process.stdout.write(`${text}\n`)

/** Whatever is still there when the benchmark ends, also by an error, ends with it. */
const children: ChildProcess[] = []
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL')
})

const compare = async (row: Row): Promise<number> => {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-bench-prometheus-'))
  const targets = startChild('targets')
  const [port] = (await once(targets, 'message')) as [number]
  const ids = Array.from({ length: row.targets }, (_, index) => `n${index}`)
  const nodes = ids.map((id) => ({
    id,
    region: 'fra',
    embedded: false,
    url: `http://127.0.0.1:${port}/tidegate/${row.kind === 'json' ? 'json' : 'large'}/${id}`,
    ...(row.kind === 'json'
      ? {
          kind: 'json',
          map: {
            ok: '/ok',
            region: '/region',
            version: '/version',
            uptime_seconds: '/uptime_seconds',
            connections: '/stats/open',
            connections_accepted: '/stats/accepted',
            requests: '/stats/requests',
            requests_failed: '/stats/failed',
            bytes_up: '/bytes/up',
            bytes_down: '/bytes/down',
          },
        }
      : {
          kind: 'prometheus',
          map: { connections: { metric: 'app_open' }, requests: { metric: 'app_0_requests_total' } },
        }),
  }))
  const collector = startChild('collector')
  const ready = once(collector, 'message')
  collector.send({ nodes })
  await ready
  const page = row.kind === 'json' ? 'small' : 'large'
  const prometheus = await startPrometheus(
    folder,
    port,
    ids.map((id) => `/prometheus/${page}/${id}`),
  )
  await sleep(WARM_MS)
  const look = async () => {
    const counts = await answerOf<Record<string, number>>(targets, 'counts')
    return { counts, ours: cpuOf(collector), theirs: cpuOf(prometheus) }
  }
  const rounds: { ours: number; theirs: number }[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const before = await look()
    await sleep(ROUND_MS)
    const after = await look()
    const asked = (client: string) => (after.counts[client] ?? 0) - (before.counts[client] ?? 0)
    rounds.push({
      ours: (after.ours - before.ours) / asked('tidegate'),
      theirs: (after.theirs - before.theirs) / asked('prometheus'),
    })
  }
  const { up, why } = await answerOf<{ up: number; why?: string }>(collector, 'up')
  if (up !== row.targets)
    throw new Error(`only ${up} of ${row.targets} nodes are up, so that nothing is compared: ${why}`)
  const ours = median(rounds.map((round) => round.ours))
  const theirs = median(rounds.map((round) => round.theirs))
  const ratio = ours / theirs
  const ratios = rounds.map((round) => round.ours / round.theirs).sort((a, b) => a - b)
  say(`  ${row.name}: ${row.targets} targets every ${INTERVAL_MS} ms`)
  say(`    Tidegate    ${ours.toFixed(3)} ms of processor a poll`)
  say(`    Prometheus  ${theirs.toFixed(3)} ms a scrape`)
  say(
    `    ratio       ${ratio.toFixed(2)}× (goal: at most ${row.goal}×; rounds ${ratios.at(0)?.toFixed(2)}–${ratios.at(-1)?.toFixed(2)}×)${ratio > row.goal ? '  MISSED' : ''}`,
  )
  const ended = [collector, prometheus].map((child) => once(child, 'exit'))
  collector.disconnect()
  prometheus.kill()
  await Promise.all(ended)
  targets.disconnect()
  rmSync(folder, { recursive: true, force: true })
  return ratio / row.goal
}

const main = async (): Promise<void> => {
  if (!existsSync(PROMETHEUS)) {
    say(`${PROMETHEUS} is missing: install the package prometheus to compare`)
    return
  }
  say(
    '  user and system time of whole processes, all threads; both store what they read, the targets are a third process',
  )
  say(
    '  Tidegate reads ten mapped values of a document, or two names of a page; Prometheus stores every series',
  )
  for (const row of ROWS) if ((await compare(row)) > 1) process.exitCode = 1
}

if (ROLE === 'targets') await serveTargets()
else if (ROLE === 'collector') await collect()
else {
  setTimeout(() => {
    say('the benchmark did not end in time and is given up')
    process.exit(1)
  }, LIMIT_MS)
  await main()
  process.exit()
}
