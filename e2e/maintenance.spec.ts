import { expect } from '@playwright/test'
import type { Node, Overview } from '../server/contract/fleet.ts'
import type { Page as ListPage } from '../server/contract/ids.ts'
import type { Incident } from '../server/contract/incidents.ts'
import type { MaintenanceWindow } from '../server/contract/maintenance.ts'
import { type Operator, seriousFindings, signIn } from './operator.ts'
import { test } from './story.ts'
import { Tidegate } from './tidegate.ts'

test.describe('an operator who announces maintenance', () => {
  // One fleet for all of it, in this order.
  test.describe.configure({ mode: 'default' })
  let tidegate: Tidegate
  let operator: Operator
  let viewer: Operator
  const watcher = { email: 'vera@example.com', password: 'a viewer who only looks' }

  test.beforeAll(async ({ browser }) => {
    tidegate = await Tidegate.start()
    operator = await signIn(browser, tidegate)
    await tidegate.api('POST', '/users', { ...watcher, role: 'viewer' })
    viewer = await signIn(browser, tidegate, watcher)
    await expect
      .poll(async () => (await tidegate.api<Overview>('GET', '/overview')).totals.up, { timeout: 30_000 })
      .toBe(6)
  })
  test.afterAll(async () => {
    await operator.leave()
    await viewer.leave()
    await tidegate.dispose()
  })

  test('sees it wherever the node is shown, has no incident while it lasts, and one when it ends too early', async () => {
    const { page } = operator
    await page.goto('/nodes/fra-1')
    await page.getByRole('link', { name: 'Maintenance…' }).click()
    await expect(page.getByRole('checkbox', { name: 'fra-1' })).toBeChecked()
    const announce = page.getByRole('button', { name: 'Announce maintenance' })
    await announce.click()
    await expect(page.getByText('Say what is done')).toBeVisible()
    await page.getByLabel('What', { exact: true }).fill('Kernel update')
    await page.getByLabel('Why').fill('CVE-2026-1234')
    await announce.click()
    const row = page.locator('tr[data-maintenance]', { hasText: 'Kernel update' })
    await expect(row).toContainText('fra-1')
    expect(await seriousFindings(page)).toEqual([])
    await page.screenshot({ path: test.info().outputPath('maintenance.png'), fullPage: true })

    // The viewer is told by the page alone, and has no button.
    await viewer.page.goto('/')
    const card = viewer.page.locator('li[data-region="fra"]')
    await expect(card.getByRole('link', { name: 'maintenance' })).toBeVisible()
    await viewer.page.goto('/maintenance')
    await expect(viewer.page.getByText('yours is viewer')).toBeVisible()
    await expect(viewer.page.getByRole('button', { name: /^End/ })).toHaveCount(0)
    await viewer.page.goto('/nodes/fra-1')
    await expect(viewer.page.getByText('Kernel update (CVE-2026-1234)')).toBeVisible()
    await viewer.page.getByText('Marks:').scrollIntoViewIfNeeded()
    await expect(viewer.page.getByText('M maintenance')).toBeVisible()

    await tidegate.api('POST', '/demo/scenarios/kill-node', { node: 'fra-1' })
    await expect
      .poll(async () => (await tidegate.api<Node>('GET', '/nodes/fra-1')).state, { timeout: 30_000 })
      .toBe('down')
    await expect(page.getByText(/fra-1 does not answer/)).toBeVisible()
    const incidents = async () => (await tidegate.api<ListPage<Incident>>('GET', '/incidents')).items
    expect(await incidents()).toEqual([])

    await page.getByRole('button', { name: 'End Kernel update' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'End', exact: true }).click()
    await expect.poll(async () => (await incidents()).map(({ title }) => title)).toEqual(['fra-1 is down'])
    const [incident] = await incidents()
    const [past] = (await tidegate.api<ListPage<MaintenanceWindow>>('GET', '/maintenance?status=past')).items
    expect(incident?.startedAt).toBe(past?.to)
    await page.goto(`/incidents/${incident?.id}`)
    await expect(page.getByText(/maintenance of fra-1 begins: Kernel update/).first()).toBeVisible()
    await expect(page.getByText(/maintenance of fra-1 ended: Kernel update/).first()).toBeVisible()
    await tidegate.api('DELETE', '/demo/scenarios/kill-node')
    expect([...operator.complaints, ...viewer.complaints]).toEqual([])
  })
})
