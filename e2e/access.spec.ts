import { expect } from '@playwright/test'
import { type Operator, signIn } from './operator.ts'
import { test } from './story.ts'
import { ADMIN, type Tidegate } from './tidegate.ts'

const VIEWER = { email: 'vera@example.com', password: 'only looks at things' }

test.describe('access', () => {
  let tidegate: Tidegate
  test.beforeAll(async ({ quietFleet }) => {
    tidegate = quietFleet
    await tidegate.api('POST', '/users', { ...VIEWER, role: 'viewer' })
  })

  test('sends a stranger to the sign-in page and back to where they wanted to go', async ({ page }) => {
    await page.goto(`${tidegate.url}/regions/fra`)
    await expect(page).toHaveURL(/\/login\?next=/)
    await page.getByLabel('E-mail').fill(ADMIN.email)
    await page.getByLabel('Password').fill('not the password')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await expect(page.getByText(/wrong/i)).toBeVisible()
    await page.getByLabel('Password').fill(ADMIN.password)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await expect(page).toHaveURL(/\/regions\/fra$/)
  })

  test('lets a viewer look and not drain, on the page and by the API', async ({ browser }) => {
    const viewer: Operator = await signIn(browser, tidegate, VIEWER)
    try {
      const { page } = viewer
      await page.goto('/regions/fra')
      await expect(page.getByRole('heading', { level: 1 })).toContainText('Frankfurt')
      await expect(page.getByRole('link', { name: /Drain fra/ })).toHaveCount(0)
      const answer = await page.evaluate(async () => {
        const response = await fetch('/api/v1/drains', {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ region: 'fra', reason: 'x', confirm: 'fra' }),
        })
        return { status: response.status, body: (await response.json()) as { error: { code: string } } }
      })
      expect([answer.status, answer.body.error.code]).toEqual([403, 'ERR_FORBIDDEN'])
      expect((await tidegate.api<{ items: unknown[] }>('GET', '/drains')).items).toEqual([])
    } finally {
      await viewer.leave()
    }
  })

  test('ends a removed user’s live page within two seconds and keeps what is on it', async ({ browser }) => {
    const { id } = await tidegate.api<{ id: string }>('POST', '/users', {
      email: 'gone@example.com',
      password: 'soon to be gone',
      role: 'operator',
    })
    const leaving = await signIn(browser, tidegate, {
      email: 'gone@example.com',
      password: 'soon to be gone',
    })
    try {
      await leaving.page.goto('/regions/fra')
      await expect(leaving.page.getByText('live', { exact: true }).first()).toBeVisible()
      await tidegate.api('DELETE', `/users/${id}`)
      await expect(leaving.page.getByRole('dialog')).toBeVisible({ timeout: 2_000 })
      await expect(leaving.page.getByText('Frankfurt').first()).toBeAttached()
    } finally {
      await leaving.leave()
    }
  })

  test('serves nothing but the sign-in page and its files to strangers', async ({ request }) => {
    for (const path of ['/', '/drains', '/settings/users', '/api/v1/overview', '/api/v1/nope']) {
      const answer = await request.get(`${tidegate.url}${path}`, { maxRedirects: 0 })
      expect([303, 401], path).toContain(answer.status())
    }
    expect((await request.get(`${tidegate.url}/healthz/ready`)).status()).toBe(200)
  })
})
