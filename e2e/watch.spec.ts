import { expect } from '@playwright/test'
import { type Operator, seriousFindings, signIn } from './operator.ts'
import { test } from './story.ts'
import type { Tidegate } from './tidegate.ts'

const CHARTS = [
  'connections',
  'tunnels',
  'pushes',
  'requests',
  'reconnects',
  'session_invalidations',
  'tokens_pruned',
]

test.describe('an operator who watches', () => {
  let operator: Operator
  let tidegate: Tidegate
  test.beforeAll(async ({ browser, quietFleet }) => {
    tidegate = quietFleet
    operator = await signIn(browser, tidegate)
  })
  test.afterAll(() => operator?.leave())

  test('reads first that all six nodes do their job, and that the page is live', async () => {
    const { page } = operator
    await page.goto('/')
    await expect(page.getByRole('heading', { level: 1 })).toContainText(
      'All 6 nodes in 3 regions do their job',
    )
    await expect(page.getByRole('banner').or(page.locator('body')).first()).toContainText('DEMO')
    await expect(page.getByText('live', { exact: true }).first()).toBeVisible()
    for (const node of ['sjc-1', 'sjc-2', 'iad-1', 'iad-2', 'fra-1', 'fra-2']) {
      await expect(page.getByRole('link', { name: new RegExp(node) }).first()).toBeVisible()
    }
    await expect(page).toHaveTitle(/DEMO/)
  })

  test('sees every fleet chart move without a reload: its newest point is newer and its path is another', async () => {
    const { page } = operator
    await page.goto('/')
    const loadedAt = await page.evaluate(() => performance.timeOrigin)
    const charts = page.locator('[data-chart]')
    await expect(charts).toHaveCount(CHARTS.length)
    const read = async () =>
      charts.evaluateAll((roots) =>
        roots.map((root) => ({
          name: root.getAttribute('data-chart') ?? '',
          newest: Number(root.getAttribute('data-newest')),
          drawn: [...root.querySelectorAll('svg path')].map((path) => path.getAttribute('d')).join(),
        })),
      )
    await expect.poll(async () => (await read()).every((chart) => chart.newest > 0)).toBe(true)
    const before = await read()
    for (const chart of before) expect(Date.now() - chart.newest, chart.name).toBeLessThan(30_000)
    await expect
      .poll(async () => (await read()).every((chart, index) => chart.newest > (before[index]?.newest ?? 0)), {
        timeout: 20_000,
      })
      .toBe(true)
    const after = await read()
    for (const name of ['connections', 'pushes']) {
      const index = before.findIndex((chart) => chart.name === name)
      expect(index, name).toBeGreaterThanOrEqual(0)
      expect(after[index]?.drawn, name).not.toBe(before[index]?.drawn)
    }
    expect(await page.evaluate(() => performance.timeOrigin)).toBe(loadedAt)
  })

  test('follows an event from a node to the screen', async () => {
    const { page } = operator
    await page.goto('/events')
    await tidegate.api('POST', '/nodes/sjc-1/push/invalidate', { reason: 'a test of the tail' })
    await expect(page.getByText(/push session of sjc-1 was invalidated/i).first()).toBeVisible({
      timeout: 5_000,
    })
  })

  // A boundary is hydrated on its own, after answers have come: what it then draws is not what the server sent, and React throws the
  // whole of it away. The empty ones are Next's own.
  test('finds every page hydrated in one piece, its forms too', async () => {
    const { page } = operator
    for (const path of pages) {
      const html = await (await page.request.get(path)).text()
      expect(html, path).toContain('<main')
      expect(html.match(/<!--\$[?!~]?-->(?!<!--\/\$-->).{0,80}/s)?.[0], path).toBeUndefined()
    }
  })

  const pages = [
    '/',
    '/regions',
    '/regions/fra',
    '/nodes',
    '/nodes/fra-1',
    '/tunnels',
    '/incidents',
    '/drains',
    '/drains/new?region=fra',
    '/maintenance',
    '/maintenance?node=fra-1',
    '/events',
    '/settings/nodes',
    '/settings/notifications',
    '/settings/users',
    '/settings/system',
  ]
  for (const look of [
    { width: 1440, height: 900, colorScheme: 'light' },
    { width: 390, height: 844, colorScheme: 'dark' },
  ] as const) {
    test(`finds every page usable at ${look.width} px, ${look.colorScheme}: nothing serious for axe, no complaint in the console, no sideways scroll`, async ({
      browser,
    }) => {
      test.setTimeout(240_000)
      const visitor = await signIn(browser, tidegate, undefined, look)
      try {
        for (const path of pages) {
          await test.step(path, async () => {
            await visitor.page.goto(path)
            await expect(visitor.page.getByRole('heading', { level: 1 })).toBeVisible()
            await expect(visitor.page.locator('[aria-busy="true"]')).toHaveCount(0)
            const width = await visitor.page.evaluate(() => document.documentElement.scrollWidth)
            expect(width, path).toBeLessThanOrEqual(look.width)
            expect(await seriousFindings(visitor.page), path).toEqual([])
          })
        }
        expect(visitor.complaints).toEqual([])
      } finally {
        await visitor.leave()
      }
    })
  }
})
