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

/** Stories that wait for processes, receivers and drains most of their time: they go beside those that measure pages. */
const WAITING = [
  '**/command-line.spec.ts',
  '**/investigate.spec.ts',
  '**/mixed-drain.spec.ts',
  '**/notify.spec.ts',
  '**/survive.spec.ts',
]

export default defineConfig({
  testDir: 'e2e',
  testMatch: '**/*.spec.ts',
  outputDir: process.env.TIDEGATE_TEST_RESULTS ?? 'test-results',
  // Each story has a whole fleet. Those that measure pages go one after the other, or they would measure each other; those that
  // start, kill and stop processes wait most of the time, and go beside them.
  workers: 3,
  fullyParallel: false,
  projects: [
    { name: 'pages', testIgnore: WAITING, workers: 1 },
    { name: 'waiting', testMatch: WAITING, fullyParallel: true, workers: 2 },
  ],
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
