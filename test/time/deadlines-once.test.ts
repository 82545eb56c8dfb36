import { readdir, readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'

it('has the one race of promises against a timer: every other wait of the server uses its deadline', async () => {
  const folder = new URL('../../server/', import.meta.url)
  const races: string[] = []
  for (const name of await readdir(folder, { recursive: true })) {
    if (!name.endsWith('.ts') || name.startsWith('store/generated')) continue
    if ((await readFile(new URL(name, folder), 'utf8')).includes('Promise.race(')) races.push(name)
  }
  expect(races).toEqual(['time/deadline.ts'])
})
