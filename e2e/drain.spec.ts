import { type ChildProcess, spawn } from 'node:child_process'
import { expect } from '@playwright/test'
import type { DemoInfo } from '../server/contract/answers/demo.ts'
import type { Drain } from '../server/contract/drains.ts'
import type { Overview, Region, Tunnel } from '../server/contract/fleet.ts'
import type { Page } from '../server/contract/ids.ts'
import { type Operator, seriousFindings, signIn } from './operator.ts'
import { test } from './story.ts'
import { Tidegate } from './tidegate.ts'

test.describe('an operator who drains', () => {
  let tidegate: Tidegate
  let operator: Operator
  let colleague: Operator
  let host: ChildProcess | null = null

  test.beforeAll(async ({ browser }) => {
    tidegate = await Tidegate.start()
    operator = await signIn(browser, tidegate)
    colleague = await signIn(browser, tidegate)
    await expect
      .poll(async () => (await tidegate.api<Overview>('GET', '/overview')).totals.tunnels, {
        timeout: 30_000,
      })
      .toBe(24)
  })
  test.afterAll(async () => {
    host?.kill('SIGTERM')
    await operator.leave()
    await colleague.leave()
    await tidegate.dispose()
  })

  const tunnels = async (): Promise<Tunnel[]> => (await tidegate.api<Page<Tunnel>>('GET', '/tunnels')).items

  test('moves every tunnel of fra to other regions by name, while a colleague watches, and brings it back', async () => {
    const { page } = operator
    const inFra = (await tunnels()).filter((tunnel) => tunnel.region === 'fra').map((tunnel) => tunnel.hostId)
    expect(inFra).toHaveLength(8)

    await page.goto('/regions/fra')
    await page.getByRole('link', { name: /Drain fra/ }).click()
    await page.getByLabel('Reason').fill('kernel update')
    const go = page.getByRole('button', { name: 'Drain fra' })
    await page.getByLabel('Type fra to confirm').fill('iad')
    await expect(go).toBeDisabled()
    await page.getByLabel('Type fra to confirm').fill('fra')

    await colleague.page.goto('/')
    await go.click()
    await expect(page.getByRole('heading', { level: 1 })).toContainText('Drain of fra')
    await expect(page.getByRole('button', { name: /Abort/ })).toBeVisible()
    // The colleague did nothing: the drain appears, and then the region's state.
    await expect(colleague.page.getByText('kernel update').first()).toBeVisible()
    await colleague.page.goto(new URL(page.url()).pathname)

    for (const { page: each } of [operator, colleague]) {
      for (const hostId of inFra) {
        const row = each.locator(`tr[data-host="${hostId}"]`)
        await expect(row).toHaveAttribute('data-moved', 'true', { timeout: 60_000 })
        await expect(row).toContainText(/→ (sjc|iad)-[12]/)
      }
      await expect(each.getByRole('button', { name: 'Resume fra' })).toBeVisible({ timeout: 60_000 })
    }
    const { items } = await tidegate.api<Page<Drain>>('GET', '/drains')
    expect(items).toHaveLength(1)
    const report = items[0]?.report
    expect(report?.gaps.missing).toBe(0)
    expect(report?.gaps.count).toBe(8)
    expect(report?.gaps.p99Ms).toBeLessThanOrEqual(2_000)
    expect((await tunnels()).filter((tunnel) => tunnel.region === 'fra')).toEqual([])
    expect(await seriousFindings(page)).toEqual([])

    await page.getByRole('button', { name: 'Resume fra' }).click()
    // Bringing back what serves nobody asks no second question.
    await expect(page.getByRole('dialog')).toHaveCount(0)
    await expect(page.getByText('resumed', { exact: true }).first()).toBeVisible({ timeout: 30_000 })
    await expect.poll(async () => (await tidegate.api<Region>('GET', '/regions/fra')).state).toBe('up')
  })

  test('sees a host that is started now register in fra', async () => {
    const demo = await tidegate.api<DemoInfo>('GET', '/demo')
    const spare = demo.spareHosts[0]
    const relays = demo.relays
      .filter((relay) => relay.region === 'fra')
      .flatMap(({ url }) => ['--relay', url])
    expect(spare).toBeDefined()
    host = spawn(
      process.execPath,
      ['server/cli.ts', 'host', ...relays, '--id', spare?.hostId ?? '', '--to', tidegate.url],
      { stdio: 'ignore', env: { ...process.env, TIDEGATE_HOST_TOKEN: spare?.token ?? '' } },
    )
    await operator.page.goto('/regions/fra')
    await expect(operator.page.getByText(spare?.hostId ?? '').first()).toBeVisible({ timeout: 20_000 })
    expect((await tunnels()).find((tunnel) => tunnel.hostId === spare?.hostId)).toMatchObject({
      region: 'fra',
      state: 'registered',
    })
  })

  test('leaves no complaint in the console', () => {
    expect([...operator.complaints, ...colleague.complaints]).toEqual([])
  })
})
