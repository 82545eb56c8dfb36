import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SqliteStore } from '../server/store/sqlite-store.ts'
import { event, log } from './store/fixtures.ts'

const cli = fileURLToPath(new URL('../server/cli.ts', import.meta.url))

interface Line {
  level: number
  msg: string
}

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

describe('a start on a bad disk', () => {
  let folder: string
  let data: string
  let target: Server
  let running: ChildProcess | null

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tidegate-start-'))
    data = join(folder, 'data')
    mkdirSync(data)
    running = null
    target = createServer((socket) => socket.on('error', () => undefined).end('served')).listen(
      0,
      '127.0.0.1',
    )
    await once(target, 'listening')
  })
  afterEach(async () => {
    if (running !== null && running.exitCode === null) {
      running.kill('SIGKILL')
      await once(running, 'close')
    }
    target.close()
    rmSync(folder, { recursive: true, force: true })
  })

  /** The server itself, with one embedded node whose proxy forwards to a target of ours. */
  const start = async () => {
    const [port, proxyPort] = [await freePort(), await freePort()]
    const file = join(folder, 'tidegate.yaml')
    const { port: targetPort } = target.address() as AddressInfo
    writeFileSync(
      file,
      `server: { port: ${port} }
regions: [ { id: fra } ]
embedded:
  - { id: fra-1, region: fra, proxy: { host: 127.0.0.1, routes: [ { name: db, match: { ports: ${proxyPort} }, action: { type: forward, targets: [ { host: 127.0.0.1, port: ${targetPort} } ] } } ] } }
`,
    )
    const child = spawn(process.execPath, [cli, 'start'], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        NODE_ENV: 'production',
        PATH: process.env.PATH ?? '',
        TIDEGATE_CONFIG: file,
        TIDEGATE_DATA: data,
        LOG_LEVEL: 'info',
        SHUTDOWN_PRE_DRAIN_SECS: '0',
        SHUTDOWN_HTTP_DRAIN_SECS: '1',
        SHUTDOWN_TUNNEL_DRAIN_SECS: '1',
      },
    })
    running = child
    const lines: Line[] = []
    let plain = ''
    createInterface({ input: child.stderr! }).on('line', (text) => {
      if (text.startsWith('{')) lines.push(JSON.parse(text) as Line)
      else plain += `${text}\n`
    })
    const get = async (path: string) => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`)
      return { status: response.status, text: await response.text(), headers: response.headers }
    }
    const proxied = async () => {
      const socket = connect(proxyPort, '127.0.0.1')
      let text = ''
      socket.on('data', (chunk) => {
        text += chunk
      })
      await once(socket, 'close').catch(() => undefined)
      return text
    }
    const waits = () =>
      expect
        .poll(async () => (await get('/healthz/ready').catch(() => null))?.text ?? plain, { timeout: 30_000 })
        .toContain('The store cannot be opened')
    const said = (text: string) => lines.filter(({ msg }) => msg.includes(text))
    return { child, get, proxied, waits, said }
  }

  it('with a damaged database takes no embedded proxy down, names the file and the remedy, deletes nothing, and opens when it is mended', async () => {
    const path = join(data, 'tidegate.db')
    writeFileSync(path, Buffer.alloc(64 * 1024, 'no database at all '))
    const before = readFileSync(path)
    const { child, get, proxied, waits, said } = await start()
    await waits()
    expect(await proxied()).toBe('served')
    const page = await get('/incidents')
    expect(page.status).toBe(503)
    expect(page.headers.get('content-type')).toContain('text/html')
    expect(page.text).toContain(path)
    expect(page.text).toContain('put a backup in its place')
    expect(await get('/healthz/live')).toMatchObject({ status: 200 })
    expect(await get('/healthz/ready')).toMatchObject({ status: 503, text: expect.stringContaining(path) })
    const api = await get('/api/v1/overview')
    expect(api.status).toBe(503)
    expect(JSON.parse(api.text).error).toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
    await new Promise((done) => setTimeout(done, 2_200))
    expect(said('embedded nodes serve, the room waits'), 'said once, however often it is tried').toHaveLength(
      1,
    )
    expect(readFileSync(path).equals(before)).toBe(true)

    renameSync(path, `${path}.damaged`)
    await expect.poll(() => said('the room opens').length, { timeout: 20_000 }).toBe(1)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(await proxied()).toBe('served')
    child.kill('SIGTERM')
    const [code] = await once(child, 'close')
    expect(code).not.toBeNull()
  }, 60_000)

  it('that is full takes no embedded proxy down, says so, and opens once there is room', async ({
    annotate,
  }) => {
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m,mode=700', 'tmpfs', data])
    if (mounted.status !== 0) {
      await annotate(`No disk of our own can be mounted here (${String(mounted.stderr).trim()}): not tried`)
      return
    }
    try {
      const filler = join(data, 'filler')
      const full = spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=64k', 'count=64'])
      expect(String(full.stderr)).toContain('No space left')
      const { child, get, proxied, waits, said } = await start()
      await waits()
      expect(await proxied()).toBe('served')
      expect((await get('/')).text).toContain('Free space on its disk')
      rmSync(filler)
      await expect.poll(() => said('the room opens').length, { timeout: 20_000 }).toBe(1)
      expect(await proxied()).toBe('served')
      child.kill('SIGTERM')
      await once(child, 'close')
    } finally {
      spawnSync('umount', ['-l', data])
    }
  }, 60_000)

  it('lets no second server with a data folder of its own write into the same database', async () => {
    const { child, said } = await start()
    await expect.poll(() => said('control listener is up').length, { timeout: 30_000 }).toBe(1)
    const link = join(folder, 'link.db')
    symlinkSync(join(data, 'tidegate.db'), link)
    for (const database of [join(data, 'tidegate.db'), link]) {
      const second = spawnSync(process.execPath, [cli, 'start'], {
        encoding: 'utf8',
        timeout: 30_000,
        env: {
          NODE_ENV: 'production',
          PATH: process.env.PATH ?? '',
          PORT: '0',
          TIDEGATE_CONFIG: join(folder, 'tidegate.yaml'),
          TIDEGATE_DATA: join(folder, 'other'),
          DATABASE_URL: `file:${database}`,
        },
      })
      expect(second.stderr).toMatch(new RegExp(`ERR_DATA_FOLDER.*process ${child.pid} `))
      expect(second.status).toBe(1)
    }
  }, 90_000)

  it('can be told to stop while it waits, and drains', async () => {
    writeFileSync(join(data, 'tidegate.db'), Buffer.alloc(64 * 1024, 'no database at all '))
    const { child, proxied, waits } = await start()
    await waits()
    await expect.poll(proxied).toBe('served')
    child.kill('SIGTERM')
    expect(await once(child, 'close')).toEqual([0, null])
  }, 60_000)
})

describe('tidegate backup', () => {
  it('copies the database while the server writes, for its owner alone, and overwrites nothing', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tidegate-backup-'))
    const path = join(folder, 'demo', 'tidegate.db')
    const store = new SqliteStore({ url: `file:${path}`, log })
    await store.open()
    try {
      for (let seq = 0; seq < 100; seq++) await store.appendEvents([event(seq)])
      const target = join(folder, 'copy.db')
      const backup = (file: string) => {
        const child = spawn(process.execPath, [cli, 'backup', file, '--json'], {
          cwd: folder,
          env: { PATH: process.env.PATH ?? '', TIDEGATE_DATA: folder, NODE_ENV: 'test' },
        })
        let [out, err] = ['', '']
        child.stdout.on('data', (chunk) => {
          out += chunk
        })
        child.stderr.on('data', (chunk) => {
          err += chunk
        })
        return once(child, 'close').then(([code]) => ({ code: code as number, out, err }))
      }
      let seq = 100
      let copying = true
      const copied = backup(target).finally(() => {
        copying = false
      })
      while (copying) await store.appendEvents([event(seq++)])
      const { code, out, err } = await copied
      expect(err).toBe('')
      expect(code).toBe(0)
      expect(JSON.parse(out)).toMatchObject({ path: target, bytes: statSync(target).size })
      expect(statSync(target).mode & 0o777).toBe(0o600)
      expect((await store.measure()).backup).toMatchObject({ path: target })

      const copy = new DatabaseSync(target)
      expect(copy.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' })
      copy.close()
      const restored = new SqliteStore({ url: `file:${target}`, log })
      await restored.open()
      expect((await restored.rowCounts()).events).toBeGreaterThanOrEqual(100)
      await restored.close()

      const again = await backup(target)
      expect(again.code).not.toBe(0)
      expect(again.err).toMatch(/ERR_CONFLICT: .*exists already/)
    } finally {
      await store.close()
      rmSync(folder, { recursive: true, force: true })
    }
  }, 60_000)
})
