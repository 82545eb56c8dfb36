import { defineConfig } from '@playwright/test'

// The browser is found by `npm test` (scripts/chromium.mjs); run alone, Debian's is the likely one.
const executablePath = process.env.PLAYWRIGHT_CHROMIUM || '/usr/bin/chromium'

// A browser of root has no sandbox, and a browser under test has no business on the network.
const rootFlags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
]

export default defineConfig({
  testDir: 'e2e',
  testMatch: '**/*.spec.ts',
  outputDir: process.env.TIDEGATE_TEST_RESULTS ?? 'test-results',
  // Each file starts a whole fleet of its own; two at a time would measure each other.
  workers: 1,
  fullyParallel: false,
  // A test that passes the second time has found a race, and a race is what these tests are for.
  retries: 0,
  forbidOnly: Boolean(process.env.CI),
  timeout: 120_000,
  expect: { timeout: 15_000 },
  reporter: 'list',
  use: {
    browserName: 'chromium',
    headless: true,
    viewport: { width: 1440, height: 900 },
    screenshot: 'only-on-failure',
    trace: 'retain-on-failure',
    launchOptions: { executablePath, args: process.getuid?.() === 0 ? rootFlags : [] },
  },
})
