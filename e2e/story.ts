import { test as base, expect } from '@playwright/test'
import type { Overview } from '../server/contract/answers/overview.ts'
import { Tidegate } from './tidegate.ts'

/** Servers that live as long as a worker. */
interface Shared {
  /** One demo fleet for every story that leaves it as it was found. It starts when the first of them asks for it. */
  quietFleet: Tidegate
}

/** A story. All files of the pages use this one: files with another `test` would get a worker, and so a fleet, of their own. */
export const test = base.extend<object, Shared>({
  quietFleet: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads from the pattern which fixtures are wanted.
    async ({}, use) => {
      const tidegate = await Tidegate.start()
      await expect
        .poll(async () => (await tidegate.api<Overview>('GET', '/overview')).totals.tunnels, {
          timeout: 30_000,
        })
        .toBe(24)
      await use(tidegate)
      await tidegate.dispose()
    },
    { scope: 'worker', timeout: 90_000 },
  ],
})
