import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from '@playwright/test'
import type { Node } from '../server/contract/answers/node.ts'
import type { Page } from '../server/contract/ids.ts'
import { type Operator, signIn } from './operator.ts'
import { test } from './story.ts'
import { freePort, Tidegate } from './tidegate.ts'

const TOKEN = 'a-control-token-for-the-stories'

/** A program of somebody else's that says how it is in its own way. */
const startForeign = async (): Promise<{ server: Server; port: number }> => {
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ healthy: true, stats: { open: 7, total: 42 }, build: '9.1' }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, port: (server.address() as AddressInfo).port }
}

/** Loaded into every thread of the server: ends that of one embedded node when the file appears, as a crash would. */
const crashing = (node: string, flag: string): string =>
  `--import=data:text/javascript,${encodeURIComponent(
    `import { isMainThread, workerData } from 'node:worker_threads'
import { existsSync, unlinkSync } from 'node:fs'
if (!isMainThread && workerData?.config?.id === ${JSON.stringify(node)})
  setInterval(() => { if (existsSync(${JSON.stringify(flag)})) { unlinkSync(${JSON.stringify(flag)}); process.exit(7) } }, 100).unref()`,
  )}`

test.describe('a fleet of one’s own', () => {
  // One fleet for all of it, in this order.
  test.describe.configure({ mode: 'default' })
  let folder: string
  let remote: ChildProcess
  let foreign: Awaited<ReturnType<typeof startForeign>>
  let tidegate: Tidegate
  let operator: Operator
  let ports: { control: number; fra: number; iad: number }

  /** `tidegate.yaml` with two embedded nodes, a remote one, one of kind json, and what a story adds. */
  const write = (more = '', polling = '{ intervalMs: 1000, timeoutMs: 900 }') =>
    writeFileSync(
      join(folder, 'tidegate.yaml'),
      `polling: ${polling}
regions: [{ id: fra, name: Frankfurt }, { id: iad, name: Ashburn }]
nodes:
  - { id: fra-2, region: fra, kind: tidegate, url: "http://127.0.0.1:${ports.control}", token: "${TOKEN}" }
  - { id: app-1, region: iad, kind: json, url: "http://127.0.0.1:${foreign.port}/status", map: { ok: /healthy, connections: /stats/open, requests: /stats/total, version: /build } }
${more}
embedded:
  - { id: fra-1, region: fra, proxy: { routes: [{ name: app, match: { ports: ${ports.fra} }, action: { type: forward, targets: [{ host: 127.0.0.1, port: ${foreign.port} }] } }] } }
  - { id: iad-1, region: iad, proxy: { routes: [{ name: app, match: { ports: ${ports.iad} }, action: { type: forward, targets: [{ host: 127.0.0.1, port: ${foreign.port} }] } }] } }
`,
    )
  const states = async () =>
    Object.fromEntries(
      (await tidegate.api<Page<Node>>('GET', '/nodes')).items.map((node) => [node.id, node.state]),
    )
  const reload = () => process.kill(tidegate.pid, 'SIGHUP')
  const banner = () => operator.page.getByRole('region', { name: 'Problems of the control room' })

  test.beforeAll(async ({ browser }) => {
    folder = mkdtempSync(join(tmpdir(), 'tidegate-configured-'))
    foreign = await startForeign()
    ports = { control: await freePort(), fra: await freePort(), iad: await freePort() }
    const nodeFile = join(folder, 'node.yaml')
    writeFileSync(
      nodeFile,
      `id: fra-2\nregion: fra\ncontrol: { port: ${ports.control}, token: ${TOKEN} }\nproxy: { routes: [{ name: app, match: { ports: ${await freePort()} }, action: { type: forward, targets: [{ host: 127.0.0.1, port: ${foreign.port} }] } }] }\n`,
    )
    remote = spawn(process.execPath, ['server/cli.ts', 'node', '--config', nodeFile], {
      stdio: 'ignore',
      env: { ...process.env, SHUTDOWN_PRE_DRAIN_SECS: '0' },
    })
    write()
    tidegate = await Tidegate.start({
      TIDEGATE_CONFIG: join(folder, 'tidegate.yaml'),
      SHUTDOWN_PRE_DRAIN_SECS: '0',
      NODE_OPTIONS: crashing('fra-1', join(folder, 'crash')),
    })
    operator = await signIn(browser, tidegate)
  })
  test.afterAll(async () => {
    await operator?.leave()
    await tidegate?.dispose()
    remote?.kill('SIGKILL')
    foreign?.server.close()
    rmSync(folder, { recursive: true, force: true })
  })

  test('shows embedded, remote and foreign nodes beside each other, and never says DEMO', async () => {
    const { page } = operator
    await expect
      .poll(states, { timeout: 30_000 })
      .toEqual({ 'fra-1': 'up', 'fra-2': 'up', 'iad-1': 'up', 'app-1': 'up' })
    await page.goto('/')
    await expect(page.getByRole('heading', { level: 1 })).toContainText(
      'All 4 nodes in 2 regions do their job',
    )
    for (const id of ['fra-1', 'fra-2', 'iad-1', 'app-1'])
      await expect(page.getByRole('link', { name: new RegExp(id) }).first()).toBeVisible()
    await expect(page.locator('body')).not.toContainText('DEMO')
    await page.goto('/nodes/app-1')
    await expect(page.getByRole('heading', { level: 1 })).toContainText('app-1')
    await expect(page.locator('body')).toContainText('9.1')
  })

  test('sees a node return whose thread crashed, while its neighbour in the same process runs on', async () => {
    const runOf = async (id: string) =>
      (await tidegate.api<{ health: { epoch: string } | null }>('GET', `/nodes/${id}`)).health?.epoch
    const [crashes, runsOn] = [await runOf('fra-1'), await runOf('iad-1')]
    writeFileSync(join(folder, 'crash'), '')
    await expect.poll(() => runOf('fra-1'), { timeout: 30_000 }).not.toBe(crashes)
    await expect
      .poll(states, { timeout: 30_000 })
      .toEqual({ 'fra-1': 'up', 'fra-2': 'up', 'iad-1': 'up', 'app-1': 'up' })
    expect(await runOf('iad-1')).toBe(runsOn)
    const { page } = operator
    await page.goto('/')
    // It did not say that it would, so there is an incident: its signal is open, or has closed already and is quiet.
    await expect(page.getByRole('heading', { level: 1 })).toContainText(
      /1 incident open(: fra-1 restarted|, quiet for .* all 4 nodes)/,
    )
  })

  test('says all mistakes of a changed file on the page and changes nothing, until the file is right', async () => {
    const { page } = operator
    await page.goto('/')
    await expect(banner()).toHaveCount(0)
    write('  - { id: app-2, region: nowhere, kind: jsonn, url: x }', '{ intervalMs: 1 }')
    reload()
    await expect(banner()).toContainText('tidegate.yaml', { timeout: 15_000 })
    await expect(banner()).toContainText('polling.intervalMs')
    expect(await states()).toEqual({ 'fra-1': 'up', 'fra-2': 'up', 'iad-1': 'up', 'app-1': 'up' })
    write()
    reload()
    await expect(banner()).toHaveCount(0, { timeout: 15_000 })
  })

  test('takes in a node and lets one go without a restart, and says so without a reload of the page', async () => {
    const { page } = operator
    const before = await tidegate.api<{ startedAt: string }>('GET', '/system')
    await page.goto('/')
    write(
      `  - { id: app-2, region: fra, kind: json, url: "http://127.0.0.1:${foreign.port}/", map: { connections: /stats/open } }`,
    )
    // Nobody sends a signal: the change of the file is enough.
    // The headline may still be about the crash of before.
    await expect(page.getByText('5 of 5', { exact: true })).toBeVisible({ timeout: 30_000 })
    await expect(page.getByRole('link', { name: /app-2/ }).first()).toBeVisible()
    write()
    await expect(page.getByText('4 of 4', { exact: true })).toBeVisible({ timeout: 30_000 })
    await expect(page.getByRole('link', { name: /app-2/ })).toHaveCount(0)
    expect(await tidegate.api('GET', '/system')).toMatchObject({ startedAt: before.startedAt })
    expect(operator.complaints).toEqual([])
  })
})
