import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from '@playwright/test'
import { type Operator, signIn } from './operator.ts'
import { test } from './story.ts'
import { freePort, Tidegate } from './tidegate.ts'

const SECRET = 'a-secret-for-the-stories-01'

interface Hook {
  headers: IncomingHttpHeaders
  body: string
}

const listen = async (server: Server, port = 0): Promise<number> => {
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

const startProgram = (): Server =>
  createServer((_request, response) => {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ healthy: true }))
  })

test.describe('people who are told', () => {
  // They share one fleet.
  test.describe.configure({ mode: 'serial' })
  const received: Hook[] = []
  let folder: string
  let program: Server
  let hook: Server
  let tidegate: Tidegate
  let operator: Operator
  let programPort: number

  const messages = () => received.map(({ body }) => JSON.parse(body) as { kind: string; headline: string })
  const isSigned = ({ headers, body }: Hook): boolean => {
    const [, t, v1] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers['tidegate-signature'])) ?? []
    return createHmac('sha256', SECRET).update(`${t}.${body}`).digest('hex') === v1
  }

  test.beforeAll(async ({ browser }) => {
    folder = mkdtempSync(join(tmpdir(), 'tidegate-notify-'))
    program = startProgram()
    programPort = await listen(program)
    hook = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        received.push({ headers: request.headers, body: Buffer.concat(chunks).toString('utf8') })
        response.end('thanks')
      })
    })
    const hookPort = await listen(hook)
    writeFileSync(
      join(folder, 'tidegate.yaml'),
      `polling: { intervalMs: 1000, timeoutMs: 900 }
regions: [{ id: fra, name: Frankfurt }]
nodes: [{ id: app-1, region: fra, kind: json, url: "http://127.0.0.1:${programPort}/status", map: { ok: /healthy } }]
embedded:
  - { id: fra-1, region: fra, proxy: { routes: [{ name: app, match: { ports: ${await freePort()} }, action: { type: forward, targets: [{ host: 127.0.0.1, port: ${programPort} }] } }] } }
notify:
  - { name: hook, kind: webhook, url: "http://127.0.0.1:${hookPort}/in", secret: ${SECRET}, groupWaitSeconds: 1 }
  - { name: gone, kind: slack, url: "http://127.0.0.1:1/services/T0/B0/secret-path", min: critical, regions: [fra], signals: ["push.*"] }
`,
    )
    tidegate = await Tidegate.start({
      TIDEGATE_CONFIG: join(folder, 'tidegate.yaml'),
      SHUTDOWN_PRE_DRAIN_SECS: '0',
    })
    operator = await signIn(browser, tidegate)
  })
  test.afterAll(async () => {
    await operator?.leave()
    await tidegate?.dispose()
    program?.closeAllConnections()
    program?.close()
    hook?.closeAllConnections()
    hook?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  test('an administrator tries a channel, and sees what its receiver said', async () => {
    const { page } = operator
    await page.goto('/settings/notifications')
    await expect(page.getByRole('link', { name: 'Notifications' })).toHaveAttribute('aria-current', 'page')
    await page.getByRole('button', { name: 'Send a test by hook' }).click()
    await expect(page.getByText('Accepted: 200 thanks')).toBeVisible()
    expect(messages()).toMatchObject([{ kind: 'test', headline: 'TEST Tidegate reaches hook (webhook)' }])
    expect(received.every(isSigned)).toBe(true)
    await page.getByRole('button', { name: 'Send a test by gone' }).click()
    await expect(
      page.getByText(/^Not accepted: 127\.0\.0\.1:1 could not be reached: nothing listens there/),
    ).toBeVisible()
    await expect(page.getByText('does not arrive')).toBeVisible()
    await expect(page.getByText('secret-path')).toHaveCount(0)
    await expect(page.getByText('Gets critical incidents in fra, with push.*.')).toBeVisible()
    await expect(page.getByRole('region', { name: 'Deliveries, table' }).getByRole('row')).toHaveCount(3)
    await test.info().attach('notifications', { body: await page.screenshot(), contentType: 'image/png' })
  })

  test('an incident is told, signed, by webhook and on its timeline, and so is its end', async () => {
    const { page } = operator
    program.closeAllConnections()
    await new Promise((resolve) => program.close(resolve))
    await expect
      .poll(() => messages().map(({ kind }) => kind), { timeout: 30_000 })
      .toEqual(['test', 'opened'])
    expect(messages()[1]?.headline).toMatch(/^WARNING fra: app-1 is down$/)
    expect(received.every(isSigned)).toBe(true)
    const { incidents } = await tidegate.api<{ incidents: { id: string }[] }>('GET', '/overview')
    await page.goto(`/incidents/${incidents[0]?.id}`)
    await expect(
      page.getByRole('button', { name: /hook \(webhook\) was told: incident opened/ }),
    ).toBeVisible()

    program = startProgram()
    await listen(program, programPort)
    await expect
      .poll(() => messages().map(({ kind }) => kind), { timeout: 110_000 })
      .toEqual(['test', 'opened', 'recovered'])
    expect(messages()[2]?.headline).toMatch(/^RESOLVED fra after .+: app-1 is down$/)
  })
})
