import { expect } from '@playwright/test'
import type { Health } from '../server/contract/health.ts'
import type { Page } from '../server/contract/ids.ts'
import type { Incident } from '../server/contract/incidents.ts'
import { type Operator, seriousFindings, signIn } from './operator.ts'
import { test } from './story.ts'
import { Tidegate } from './tidegate.ts'

test.describe('an operator who investigates', () => {
  let tidegate: Tidegate
  let operator: Operator
  test.beforeAll(async ({ browser }) => {
    tidegate = await Tidegate.start()
    operator = await signIn(browser, tidegate)
  })
  test.afterAll(async () => {
    await operator.leave()
    await tidegate.dispose()
  })

  test('is told within a minute that pushes are stuck although the session is alive, and finds all of it on the timeline', async () => {
    test.setTimeout(240_000)
    const { page } = operator
    await page.goto('/')
    await expect
      .poll(async () => (await tidegate.api<Health>('GET', '/nodes/fra-1/health')).push?.sendOk ?? 0, {
        timeout: 30_000,
      })
      .toBeGreaterThan(3)
    await tidegate.api('POST', '/demo/scenarios/push-stuck', {})

    const link = page.getByRole('link', { name: /fra-1 receives pushes but delivers none/ }).first()
    await expect(link).toBeVisible({ timeout: 60_000 })
    expect((await tidegate.api<Health>('GET', '/nodes/fra-1/health')).push?.sessionAlive).toBe(true)
    await expect(page.getByRole('heading', { level: 1 })).toContainText('fra-1')
    await expect(page).toHaveTitle(/incident|outage|stuck/i)

    await link.click()
    await expect(page.getByRole('heading', { level: 1 })).toContainText(
      'fra-1 receives pushes but delivers none',
    )
    await page.getByRole('button', { name: 'Acknowledge' }).click()
    await expect(page.getByText(/acknowledged/).first()).toBeVisible()
    const note = `The endpoint answers PING but no stream <b>&amp; nothing else</b> ${Date.now()}`
    await page.getByLabel('Note').fill(note)
    await page.getByRole('button', { name: 'Add note' }).click()
    const timeline = page.getByRole('list', { name: 'Timeline' })
    await expect(timeline.getByText(note)).toBeVisible()
    await expect(timeline.getByText(/push session of fra-1 was invalidated: .*goaway/i).last()).toBeVisible()
    await expect(timeline.getByText(/push\.stuck opened/).first()).toBeVisible()

    // Its signal still holds: resolving it asks first, and says what happens then.
    await page.getByRole('button', { name: /^Resolve/ }).click()
    await expect(page.getByRole('dialog')).toContainText('quiet until it has closed once')
    await page.getByRole('button', { name: 'Keep it open' }).click()
    await page.getByRole('button', { name: 'Change title' }).click()
    await page.getByRole('dialog').getByLabel('Title').fill('Six silent hours at fra-1')
    await page.getByRole('dialog').getByRole('button', { name: 'Change' }).click()
    await expect(page.getByRole('heading', { level: 1 })).toHaveText('Six silent hours at fra-1')

    await tidegate.api('DELETE', '/demo/scenarios/push-stuck')
    await expect(timeline.getByText(/deliveries again/i).first()).toBeVisible({ timeout: 60_000 })
    await expect(timeline.getByText(/resolved: every signal has been closed/).first()).toBeVisible({
      timeout: 90_000,
    })
    expect(await seriousFindings(page)).toEqual([])

    const { items } = await tidegate.api<Page<Incident>>('GET', '/incidents')
    expect(items).toHaveLength(1)
    const [incident] = items
    expect(incident?.state).toBe('resolved')
    const exported = await tidegate.request('GET', `/incidents/${incident?.id}/export?format=md`)
    const markdown = await exported.text()
    expect(markdown).toContain('goaway')
    expect(markdown).not.toContain('<b>')
    expect(operator.complaints).toEqual([])
  })
})
