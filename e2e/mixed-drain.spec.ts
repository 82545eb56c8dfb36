import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from '@playwright/test'
import type { Drain } from '../server/contract/drains.ts'
import type { Node, Overview } from '../server/contract/fleet.ts'
import type { Page } from '../server/contract/ids.ts'
import { type Operator, seriousFindings, signIn } from './operator.ts'
import { test } from './story.ts'
import { freePort, Tidegate } from './tidegate.ts'

/** Somebody else's system: a page that says how it is, and the operator's script that takes it in and out. */
interface Elsewhere {
  readonly port: number
  readonly server: Server
  /** Connections that it says are open. */
  open: number
  readonly wishes: string[]
}

const startElsewhere = async (): Promise<Elsewhere> => {
  const server = createServer(async (request, response) => {
    if (request.method === 'POST') {
      let text = ''
      for await (const chunk of request) text += chunk
      const { action, node } = JSON.parse(text) as { action: string; node: string }
      elsewhere.wishes.push(`${action} ${node}`)
      return response.end()
    }
    response.setHeader('content-type', 'application/json')
    return response.end(JSON.stringify({ ok: true, open: elsewhere.open, accepted: 40 }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const elsewhere: Elsewhere = {
    port: (server.address() as AddressInfo).port,
    server,
    open: 2,
    wishes: [],
  }
  return elsewhere
}

test.describe('a region of three kinds', () => {
  // They share one fleet.
  test.describe.configure({ mode: 'serial' })
  let folder: string
  let elsewhere: Elsewhere
  let tidegate: Tidegate
  let operator: Operator

  test.beforeAll(async ({ browser }) => {
    folder = mkdtempSync(join(tmpdir(), 'tidegate-mixed-'))
    elsewhere = await startElsewhere()
    const at = `http://127.0.0.1:${elsewhere.port}`
    const drain = `drain: { webhook: { url: "${at}/drain", secret: a-secret-of-the-stories } }`
    const gateway = (id: string, region: string) =>
      `  - { id: ${id}, region: ${region}, kind: json, url: "${at}/${id}", map: { ok: /ok, connections: /open, connections_accepted: /accepted }, ${drain} }`
    const site = (id: string, region: string) =>
      `  - { id: ${id}, region: ${region}, kind: http, url: "${at}/${id}", ${drain} }`
    const proxy = (id: string, region: string, port: number) =>
      `  - { id: ${id}, region: ${region}, proxy: { routes: [{ name: app, match: { ports: ${port} }, action: { type: forward, targets: [{ host: 127.0.0.1, port: ${elsewhere.port} }] } }] } }`
    writeFileSync(
      join(folder, 'tidegate.yaml'),
      `polling: { intervalMs: 1000, timeoutMs: 900 }
regions: [{ id: fra, name: Frankfurt }, { id: iad, name: Ashburn }]
nodes:
${[gateway('gw-1', 'fra'), site('www-1', 'fra'), gateway('gw-2', 'iad'), site('www-2', 'iad')].join('\n')}
embedded:
${[proxy('fra-1', 'fra', await freePort()), proxy('iad-1', 'iad', await freePort())].join('\n')}
`,
    )
    tidegate = await Tidegate.start({
      TIDEGATE_CONFIG: join(folder, 'tidegate.yaml'),
      SHUTDOWN_PRE_DRAIN_SECS: '0',
      SHUTDOWN_HTTP_DRAIN_SECS: '1',
      SHUTDOWN_TUNNEL_DRAIN_SECS: '0',
    })
    operator = await signIn(browser, tidegate)
    await expect
      .poll(async () => (await tidegate.api<Overview>('GET', '/overview')).totals.up, { timeout: 30_000 })
      .toBe(6)
  })
  test.afterAll(async () => {
    await operator?.leave()
    await tidegate?.dispose()
    elsewhere?.server.closeAllConnections()
    elsewhere?.server.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const states = async () =>
    Object.fromEntries(
      (await tidegate.api<Page<Node>>('GET', '/nodes')).items
        .filter(({ region }) => region === 'fra')
        .map((node) => [node.id, node.state]),
    )

  test('is drained at once: the plan says what will be proved of each, the page what was, and all of it comes back', async () => {
    const { page } = operator
    await page.goto('/regions/fra')
    await page.getByRole('link', { name: /Drain fra/ }).click()
    const plan = page.getByRole('region', { name: 'How each node is taken out, table' })
    await expect(plan.getByRole('row', { name: /fra-1/ })).toContainText('its connections are counted')
    await expect(plan.getByRole('row', { name: /gw-1/ })).toContainText('webhook: POST 127.0.0.1')
    await expect(plan.getByRole('row', { name: /www-1/ })).toContainText('none: ends drained (unproven)')
    await expect(page.locator('body')).toContainText('nobody can prove that it is empty')
    await page.getByLabel('Reason').fill('new rack')
    await page.getByLabel('Type fra to confirm').fill('fra')
    await page.getByRole('button', { name: 'Drain fra' }).click()

    await expect(page.getByRole('heading', { level: 1 })).toContainText('Drain of fra')
    await expect(page.locator('body')).toContainText('Waiting for 2 connections of gw-1 to end', {
      timeout: 40_000,
    })
    expect((await states())['gw-1']).toBe('draining')
    elsewhere.open = 0
    await expect(page.getByRole('button', { name: 'Resume fra' })).toBeVisible({ timeout: 60_000 })
    await expect(page.locator('body')).toContainText(
      'fra is drained (unproven) and held out of service: nobody can tell whether www-1 is empty.',
    )
    await expect(page.locator('[data-step="gw-1"]')).toContainText('empty, held out of service')
    await expect(page.locator('[data-step="www-1"]')).toContainText('drained (unproven)')
    await expect
      .poll(states, { timeout: 15_000 })
      .toEqual({ 'fra-1': 'drained', 'gw-1': 'drained', 'www-1': 'drained' })
    expect(await seriousFindings(page)).toEqual([])

    await page.getByRole('button', { name: 'Resume fra' }).click()
    await expect(page.getByText('resumed', { exact: true }).first()).toBeVisible({ timeout: 40_000 })
    await expect.poll(states, { timeout: 15_000 }).toEqual({ 'fra-1': 'up', 'gw-1': 'up', 'www-1': 'up' })
    const [drain] = (await tidegate.api<Page<Drain>>('GET', '/drains')).items
    expect(drain?.report?.notes).toContainEqual(expect.stringContaining('www-1 counts nothing'))
    expect(elsewhere.wishes.slice(0, 2)).toEqual(['drain gw-1', 'drain www-1'])
    expect(elsewhere.wishes.slice(2).sort()).toEqual(['resume gw-1', 'resume www-1'])
  })

  test('leaves no complaint in the console', () => {
    expect(operator.complaints).toEqual([])
  })
})
