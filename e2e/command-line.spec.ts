import { spawn } from 'node:child_process'
import { expect } from '@playwright/test'
import type { Drain } from '../server/contract/drains.ts'
import type { Overview } from '../server/contract/fleet.ts'
import { test } from './story.ts'
import { API_TOKEN, type Tidegate } from './tidegate.ts'

test.describe('the command line', () => {
  // One after the other, on one fleet.
  test.describe.configure({ mode: 'serial' })
  let tidegate: Tidegate
  test.beforeAll(({ quietFleet }) => {
    tidegate = quietFleet
  })

  const run = (args: string[], env: Record<string, string> = {}) =>
    new Promise<{ code: number | null; out: string; err: string }>((resolve) => {
      const child = spawn(process.execPath, ['server/cli.ts', ...args], {
        env: { ...process.env, TIDEGATE_URL: tidegate.url, TIDEGATE_TOKEN: API_TOKEN, ...env },
      })
      let out = ''
      let err = ''
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        out += text
      })
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        err += text
      })
      child.once('exit', (code) => resolve({ code, out, err }))
    })

  test('says the state of the fleet, as text and as JSON', async () => {
    const text = await run(['status'])
    expect(text.out).toContain('fra-1')
    const json = await run(['status', '--json'])
    expect((JSON.parse(json.out) as Overview).nodes).toHaveLength(6)
  })

  test('says in one sentence that the token is missing or the collector away, with an exit code for each', async () => {
    const stranger = await run(['status'], { TIDEGATE_TOKEN: '', TIDEGATE_API_TOKEN: '' })
    expect([stranger.code, stranger.out]).toEqual([4, ''])
    expect(stranger.err).toContain('set TIDEGATE_TOKEN')
    const nowhere = await run(['status'], { TIDEGATE_URL: 'http://127.0.0.1:9' })
    expect(nowhere.code).toBe(3)
    expect(nowhere.err).toContain('cannot be reached')
    expect((await run(['nonsense'])).code).toBe(2)
  })

  test('previews, drains and resumes a region', async () => {
    const preview = await run(['drain', 'iad', '--reason', 'x', '--preview'])
    expect(preview.out).toContain('iad-1')
    const drained = await run(['drain', 'iad', '--reason', 'kernel update', '--json'])
    expect(drained.code).toBe(0)
    const drain = JSON.parse(drained.out) as Drain
    expect([drain.state, drain.report?.gaps.missing]).toEqual(['drained', 0])
    expect((await run(['drain', 'iad', '--reason', 'again'])).code).toBe(5)
    const resumed = await run(['drains', 'resume', 'iad', '--json'])
    expect((JSON.parse(resumed.out) as Drain).state).toBe('resumed')
  })

  test('lists the scenarios of a game day and refuses others', async () => {
    expect((await run(['replay'])).out).toContain('push-stuck')
    const other = await run(['replay', 'meteor'])
    expect([other.code, other.err]).toEqual([1, expect.stringContaining('push-stuck')])
  })
})
