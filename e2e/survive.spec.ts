import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from '@playwright/test'
import type { Drain } from '../server/contract/drains.ts'
import type { NodeDetail, Tunnel } from '../server/contract/fleet.ts'
import type { Page } from '../server/contract/ids.ts'
import { signIn } from './operator.ts'
import { Tidegate } from './tidegate.ts'

const tunnels = async (tidegate: Tidegate): Promise<Tunnel[]> =>
  (await tidegate.api<Page<Tunnel>>('GET', '/tunnels')).items.filter((tunnel) =>
    tunnel.hostId.startsWith('host-'),
  )

const registered = async (tidegate: Tidegate): Promise<number> =>
  (await tunnels(tidegate)).filter((tunnel) => tunnel.state === 'registered').length

/** Moments at which the collector is killed: before anything is sent, in each phase, and while empty is being proved. */
const MOMENTS_MS = [0, 150, 1_200, 2_500, 5_000, 9_000]

test.describe('a collector that is killed while a drain runs', () => {
  for (const moment of MOMENTS_MS) {
    test(`finishes the drain after the restart when it was killed ${moment} ms after its start`, async () => {
      const tidegate = await Tidegate.start()
      try {
        await expect.poll(() => registered(tidegate), { timeout: 30_000 }).toBe(24)
        const { id } = await tidegate.api<Drain>('POST', '/drains', {
          region: 'fra',
          reason: 'kernel update',
          confirm: 'fra',
        })
        await new Promise((resolve) => setTimeout(resolve, moment))
        await tidegate.kill()
        await tidegate.launch()

        await expect
          .poll(async () => (await tidegate.api<Drain>('GET', `/drains/${id}`)).state, { timeout: 75_000 })
          .toBe('drained')
        const drain = await tidegate.api<Drain>('GET', `/drains/${id}`)
        expect(drain.report?.gaps.missing).toBe(0)
        expect((await tidegate.api<Page<Drain>>('GET', '/drains')).items.map((item) => item.id)).toEqual([id])
        const all = await tunnels(tidegate)
        expect(all.filter((tunnel) => tunnel.state === 'registered')).toHaveLength(24)
        expect(all.filter((tunnel) => tunnel.region === 'fra')).toEqual([])
      } finally {
        await tidegate.dispose()
      }
    })
  }
})

test.describe('a stop', () => {
  test('because an error escaped every guard happens once: nodes drain, ports close, exit code 1, the reason last', async () => {
    // A stray rejection on a signal, as a library might leave one behind.
    const stray =
      "import { isMainThread } from 'node:worker_threads'; if (isMainThread) process.on('SIGUSR2', () => { Promise.reject(new Error('a stray rejection')) })"
    const tidegate = await Tidegate.start({
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(stray)}`,
    })
    try {
      await expect.poll(() => registered(tidegate), { timeout: 30_000 }).toBe(24)
      process.kill(tidegate.pid, 'SIGUSR2')
      expect(await tidegate.ended()).toBe(1)
      const lines = tidegate.output.trim().split('\n')
      expect(lines.at(-1)).toContain('ended because an error escaped: Error: a stray rejection')
      expect(lines.join('\n')).toContain('drain complete')
      expect(await isOpen(tidegate.port)).toBe(false)
    } finally {
      await tidegate.dispose()
    }
  })

  test('by SIGTERM, sent three times, drains in phases, says so last, exits 0 and leaves no port', async () => {
    const tidegate = await Tidegate.start()
    try {
      await expect.poll(() => registered(tidegate), { timeout: 30_000 }).toBe(24)
      const { items } = await tidegate.api<Page<{ id: string }>>('GET', '/nodes')
      const details = await Promise.all(
        items.map((node) => tidegate.api<NodeDetail>('GET', `/nodes/${node.id}`)),
      )
      const ports = [
        tidegate.port,
        ...details.flatMap((node) => node.listeners.map((listener) => listener.port)),
      ]
      expect(ports.length).toBeGreaterThan(12)
      const { pid } = tidegate
      setTimeout(() => process.kill(pid, 'SIGTERM'), 300)
      setTimeout(() => process.kill(pid, 'SIGINT'), 600)
      expect(await tidegate.stop('SIGTERM')).toBe(0)
      const lines = tidegate.output.trim().split('\n')
      expect(lines.at(-1)).toContain('drain complete')
      for (const port of ports) expect(await isOpen(port), `port ${port}`).toBe(false)
    } finally {
      await tidegate.dispose()
    }
  })

  test('after people have looked at pages ends as quickly as without them', async ({ browser }) => {
    const tidegate = await Tidegate.start()
    try {
      const operator = await signIn(browser, tidegate)
      await operator.page.goto('/regions/fra')
      await expect(operator.page.getByRole('heading', { level: 1 })).toBeVisible()
      const began = Date.now()
      expect(await tidegate.stop('SIGTERM')).toBe(0)
      // The drain of the demo may take 1 + 5 + 3 + 2 s; the page that is still open must not add to it.
      expect(Date.now() - began).toBeLessThan(20_000)
      await operator.leave()
    } finally {
      await tidegate.dispose()
    }
  })

  test('of a process group, launcher and all, leaves nobody of the group behind and exits 0', async () => {
    test.skip(!existsSync('/proc'), 'the members of a group are read from /proc, which this system lacks')
    const dataDir = mkdtempSync(join(tmpdir(), 'tidegate-e2e-group-'))
    const launcher = spawn(process.execPath, ['scripts/launch.cjs', 'start'], {
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, PORT: '0', TIDEGATE_DATA: dataDir, TIDEGATE_CONFIG: '' },
    })
    const group = launcher.pid ?? 0
    const ended = once(launcher, 'exit')
    let output = ''
    launcher.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
    try {
      await expect.poll(() => output, { timeout: 60_000 }).toContain('http://localhost:')
      expect(membersOf(group).length, 'the launcher and its server').toBeGreaterThan(1)
      // As a terminal sends Ctrl-C: to each of them.
      process.kill(-group, 'SIGINT')
      expect((await ended)[0]).toBe(0)
      expect(membersOf(group)).toEqual([])
    } finally {
      if (membersOf(group).length > 0) process.kill(-group, 'SIGKILL')
      rmSync(dataDir, { recursive: true, force: true })
    }
  })
})

const isOpen = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })

/** Processes of a group. */
const membersOf = (group: number): number[] =>
  readdirSync('/proc').flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return []
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8')
      const [state, , pgrp] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      // A zombie has ended; its parent has only not asked yet.
      return Number(pgrp) === group && state !== 'Z' ? [Number(entry)] : []
    } catch {
      return [] // it ended meanwhile
    }
  })
