import AxeBuilder from '@axe-core/playwright'
import { type Browser, expect, type Page } from '@playwright/test'
import { ADMIN, type Tidegate } from './tidegate.ts'

/** A person at a browser of their own: signed in, with every console message kept. */
export interface Operator {
  page: Page
  /** Errors and warnings of the console so far, without what the test itself caused. */
  complaints: string[]
  leave(): Promise<void>
}

export const signIn = async (
  browser: Browser,
  tidegate: Tidegate,
  who: { email: string; password: string } = ADMIN,
  options: { width?: number; height?: number; colorScheme?: 'light' | 'dark' } = {},
): Promise<Operator> => {
  const context = await browser.newContext({
    baseURL: tidegate.url,
    viewport: { width: options.width ?? 1440, height: options.height ?? 900 },
    colorScheme: options.colorScheme ?? 'light',
  })
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning')
      complaints.push(`${page.url()}: ${message.text()}`)
  })
  page.on('pageerror', (error) => complaints.push(`${page.url()}: ${error.message}`))
  await page.goto('/login')
  await page.getByLabel('E-mail').fill(who.email)
  await page.getByLabel('Password').fill(who.password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await expect(page).not.toHaveURL(/\/login/)
  return { page, complaints, leave: () => context.close() }
}

/** Findings of axe that would keep somebody from using the page. */
export const seriousFindings = async (page: Page): Promise<string[]> => {
  const { violations } = await new AxeBuilder({ page }).analyze()
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target.join(' ')}`))
}
