import { expect, type Page } from '@playwright/test'
import type { Drain } from '../server/contract/drains.ts'
import type { Overview, Region } from '../server/contract/fleet.ts'
import { type Operator, seriousFindings, signIn } from './operator.ts'
import { test } from './story.ts'
import { Tidegate } from './tidegate.ts'

/** Elements whose colour a person would call green: text, borders, fills and strokes that are drawn. */
const greenThings = (page: Page): Promise<string[]> =>
  page.evaluate(() => {
    const isGreen = (colour: string): boolean => {
      const [r = 0, g = 0, b = 0, a = 1] = (colour.match(/[\d.]+/g) ?? []).map(Number)
      return colour.startsWith('rgb') && a > 0.2 && g > r + 25 && g > b + 12
    }
    return [...document.querySelectorAll('body *')].flatMap((element) => {
      const box = element.getBoundingClientRect()
      if (box.width === 0 || box.height === 0) return []
      const style = getComputedStyle(element)
      const drawn = [style.color, style.backgroundColor, style.fill, style.stroke]
      return drawn.some(isGreen) ? [`${element.tagName} ${element.textContent?.slice(0, 40)}`] : []
    })
  })

test.describe('an operator at three in the morning', () => {
  let tidegate: Tidegate
  let operator: Operator
  let phone: Operator
  test.beforeAll(async ({ browser }) => {
    tidegate = await Tidegate.start()
    operator = await signIn(browser, tidegate)
    phone = await signIn(browser, tidegate, undefined, { width: 390, height: 844, colorScheme: 'dark' })
    await expect
      .poll(async () => (await tidegate.api<Overview>('GET', '/overview')).totals.tunnels, {
        timeout: 30_000,
      })
      .toBe(24)
  })
  test.afterAll(async () => {
    await operator.leave()
    await phone.leave()
    await tidegate.dispose()
  })

  test('sees of a node that is down the last that is known, with its time, and never a Now; and what is open on every page', async () => {
    test.setTimeout(180_000)
    const { page } = operator
    await page.goto('/nodes/iad-2')
    await expect(page.getByRole('heading', { name: 'Now', exact: true })).toBeVisible()
    let most = 0
    const look = setInterval(() => {
      tidegate
        .api<Overview>('GET', '/overview')
        .then(({ totals }) => {
          most = Math.max(most, totals.tunnels ?? 0)
        })
        // The look is about the sums; whether the server answers is what the rest of the story is about.
        .catch(() => undefined)
    }, 150)
    await tidegate.api('POST', '/demo/scenarios/kill-node', {})
    await expect(page.getByRole('heading', { name: /^Last known, \d\d:\d\d:\d\d \(/ })).toBeVisible({
      timeout: 30_000,
    })
    await expect(page.getByRole('heading', { name: 'Now', exact: true })).toHaveCount(0)
    await expect(page.locator('[data-state="down"]').first()).toBeVisible()
    await expect(page.getByText(/answered last/)).toBeVisible()
    expect(await seriousFindings(page)).toEqual([])

    // Its incident is on its page, on its region's, and one line on every other page.
    await expect(page.getByRole('region', { name: 'Open incident' })).toBeVisible({ timeout: 30_000 })
    for (const path of ['/tunnels', '/events', '/settings/system', '/drains/new', '/regions/iad']) {
      await page.goto(path)
      const line = page.getByRole('region', { name: 'Open incident' })
      await expect(line, path).toContainText(/iad/)
      await expect(line.getByRole('button', { name: 'Acknowledge' }), path).toBeVisible()
    }
    await expect(page.getByRole('main').locator('[data-state="degraded"]').first()).toContainText(
      '1 of 2 down',
    )
    await expect(page.getByRole('link', { name: /^Incidents 1 open/ })).toBeVisible()
    await expect(page.getByRole('slider', { name: /Heartbeat of iad-2.*down/ })).toBeVisible()

    // Headline, figures, region and rows are of one snapshot.
    const overview = await tidegate.api<Overview>('GET', '/overview')
    expect(overview.totals.up).toBe(5)
    expect(overview.verdict.text).toContain('1 of 6 nodes needs you: iad-2 down')
    expect(overview.regions.find((region) => region.id === 'iad')).toMatchObject({
      state: 'degraded',
      words: '1 of 2 down',
      up: 1,
    })

    // Focus goes on to what follows, not to the body.
    const line = page.getByRole('region', { name: 'Open incident' })
    await line.getByRole('button', { name: 'Acknowledge' }).press('Enter')
    await expect(line.getByRole('button', { name: 'Acknowledge' })).toHaveCount(0)
    await expect(line.locator(':focus')).toHaveCount(1)

    await tidegate.api('DELETE', '/demo/scenarios/kill-node')
    await expect
      .poll(async () => (await tidegate.api<{ state: string }>('GET', '/nodes/iad-2')).state, {
        timeout: 40_000,
      })
      .toBe('up')
    clearInterval(look)
    // There are 24 hosts: none was counted twice while they moved.
    expect(most).toBeLessThanOrEqual(24)
  })

  test('is told by the form what a drain still needs, and gets the focus back from a dialog', async () => {
    const { page } = operator
    await page.goto('/drains/new?region=sjc')
    const reason = page.getByLabel('Reason')
    await page.getByLabel('Type sjc to confirm').fill('sjc')
    await expect(page.getByText(/move off 2 nodes/)).toBeVisible()
    await page.getByLabel('Type sjc to confirm').press('Enter')
    await expect(page.getByText('Say why; others see it.')).toBeVisible()
    await expect(reason).toBeFocused()
    expect((await tidegate.api<{ items: Drain[] }>('GET', '/drains')).items).toEqual([])

    await page.goto('/tunnels')
    const kick = page.getByRole('button', { name: 'Kick host-01' })
    await kick.click()
    await page.getByRole('dialog').getByRole('button', { name: 'Kick host-01' }).click()
    await expect(page.getByText('Say why; others see it.')).toBeVisible()
    await page.keyboard.press('Escape')
    await expect(page.getByRole('dialog')).toHaveCount(0)
    await expect(kick).toBeFocused()

    await page.getByRole('button', { name: /settings/ }).click()
    await expect(page.getByRole('menu')).toBeVisible()
    expect(await seriousFindings(page)).toEqual([])
    await page.keyboard.press('Escape')
  })

  test('aborts a drain half-way, reads what moved, stayed and is missing, and brings back what is held', async () => {
    const { page } = operator
    await page.goto('/drains/new?region=sjc')
    await page.getByLabel('Reason').fill('wrong region')
    await page.getByText(/^Strategy:/).click()
    await page.getByLabel('Tunnels per second').fill('1')
    await page.getByLabel('Type sjc to confirm').fill('sjc')
    await page.getByRole('button', { name: 'Drain sjc' }).click()
    await expect(page.locator('tr[data-moved="true"]').first()).toBeVisible({ timeout: 40_000 })
    await page.getByRole('button', { name: /Abort/ }).click()
    await page.getByRole('dialog').getByLabel(/^held/).check()
    await page
      .getByRole('dialog')
      .getByRole('button', { name: /Abort, end held/ })
      .click()
    await expect(page.locator('[data-report]')).toContainText(/\d+ moved, \d+ stayed, none missing/, {
      timeout: 40_000,
    })
    await expect(page.getByText('aborted', { exact: true }).first()).toBeVisible()
    await expect(page.getByText(/proving it empty|nowhere yet/)).toHaveCount(0)
    expect(await page.locator(':focus').count()).toBe(1)

    // What is held is on the home page and on its own, each with the way back.
    await page.goto('/')
    await expect(page.locator('[data-held="sjc"]').getByRole('button', { name: 'Resume sjc' })).toBeVisible()
    await page.goto('/regions/sjc')
    await page.locator('[data-held="sjc"]').getByRole('button', { name: 'Resume sjc' }).click()
    await expect(page.locator('[data-held="sjc"]')).toHaveCount(0, { timeout: 30_000 })
    await expect
      .poll(async () => (await tidegate.api<Region>('GET', '/regions/sjc')).state, { timeout: 30_000 })
      .toBe('up')
  })

  test('finds at once that something is not there, with a 404 and a heading', async () => {
    const { page } = operator
    for (const [path, words] of [
      ['/nodes/nobody', 'There is no node nobody'],
      ['/regions/moon', 'There is no region moon'],
      ['/incidents/x', 'There is no incident x'],
      ['/drains/x', 'There is no drain x'],
    ] as const) {
      const requests: string[] = []
      const note = (request: { url(): string }) => requests.push(request.url())
      page.on('request', note)
      const answer = await page.goto(path)
      expect(answer?.status(), path).toBe(404)
      await expect(page.getByRole('heading', { level: 1 })).toHaveText(words)
      page.off('request', note)
      expect(requests.filter((url) => url.includes('/api/')).length, path).toBeLessThan(6)
    }
    operator.complaints.length = 0
  })

  test('with the server dead sees nothing green, a headline that says since when, and no number that passes for now', async () => {
    test.setTimeout(180_000)
    for (const { page } of [operator, phone]) {
      await page.goto('/')
      await expect(page.getByRole('heading', { level: 1 })).toHaveAttribute('data-verdict', /ok|attention/, {
        timeout: 30_000,
      })
      // On a phone the charts are further down, and are asked for when they come into sight.
      await page.getByText('Marks:').scrollIntoViewIfNeeded()
      await expect(page.locator('[data-chart="connections"][data-newest]')).toBeVisible({ timeout: 30_000 })
      expect((await greenThings(page)).length).toBeGreaterThan(0)
    }
    process.kill(tidegate.pid, 'SIGSTOP')
    try {
      for (const { page } of [operator, phone]) {
        const headline = page.getByRole('heading', { level: 1 })
        await expect(headline).toHaveText(/^Not known since \d\d:\d\d:\d\d \(then: .+\)$/, {
          timeout: 20_000,
        })
        await expect(headline).toHaveAttribute('data-verdict', 'unknown')
        await expect(page).toHaveTitle(/stale/)
        await expect(page.locator('link[rel="icon"]')).toHaveAttribute('href', /unknown/)
        await expect(page.getByRole('main').locator('.text-up')).toHaveCount(0)
        await expect.poll(() => greenThings(page)).toEqual([])
        expect(await seriousFindings(page)).toEqual([])
        await expect(page.getByText('was up').first()).toBeVisible()
      }
      // The same on a page that is opened by a link that was there already.
      await expect(operator.page.getByText(/Everything below is as of \d\d:\d\d:\d\d/)).toHaveCount(1)
    } finally {
      process.kill(tidegate.pid, 'SIGCONT')
    }
    await expect(operator.page.getByRole('heading', { level: 1 })).toHaveAttribute(
      'data-verdict',
      /ok|attention/,
      { timeout: 30_000 },
    )
    await expect(operator.page.locator('html[data-known]')).toHaveCount(0)
    expect((await greenThings(operator.page)).length).toBeGreaterThan(0)
  })

  test('who is signed out in another tab leaves a page that asks the server nothing', async () => {
    const { page } = phone
    await page.context().clearCookies()
    await page.goto('/', { waitUntil: 'commit' }).catch(() => undefined)
    await expect(page).toHaveURL(/\/login/)

    const other = operator.page
    await other.goto('/')
    // The stop before counts as lateness for a minute.
    await expect(other.locator('[data-live]')).toHaveText(/^(?:live|late by)/, { timeout: 20_000 })
    await other.context().clearCookies()
    await expect(other.getByRole('dialog')).toContainText('Sign in again', { timeout: 30_000 })
    await other.waitForTimeout(1_000)
    const asked: string[] = []
    other.on('request', (request) => asked.push(request.url()))
    await other.waitForTimeout(6_000)
    expect(asked).toEqual([])
    expect(await greenThings(other)).toEqual([])
  })
})
