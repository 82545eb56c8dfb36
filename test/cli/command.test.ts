import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { EXIT, exitCodeFor } from '../../server/cli/exit-codes.ts'
import { openApiDocument } from '../../server/contract/api/openapi.ts'
import { ERROR_CODES, type ErrorCode } from '../../server/contract/errors.ts'
import { apiToken, startServer, type TestServer } from '../api/server.ts'

const cli = fileURLToPath(new URL('../../server/cli.ts', import.meta.url))

const run = (args: string[], env: Record<string, string> = {}) =>
  new Promise<{ code: number | null; out: string; err: string }>((resolve) => {
    const child = spawn(process.execPath, [cli, ...args], {
      env: { ...process.env, TIDEGATE_TOKEN: '', TIDEGATE_API_TOKEN: '', ...env },
    })
    let out = ''
    let err = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text
    })
    child.once('close', (code) => resolve({ code, out, err }))
  })

describe('the command', { timeout: 30_000 }, () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startServer()
  })
  afterAll(() => server.close())
  const asked = (...args: string[]) => run(args, { TIDEGATE_URL: server.url, TIDEGATE_TOKEN: apiToken })

  it('prints the OpenAPI document of this version without a server, with --json or without', async () => {
    // A port where nobody is: it must not matter.
    const { code, out, err } = await run(['openapi', '--json'], { TIDEGATE_URL: 'http://127.0.0.1:1' })
    expect([code, err]).toEqual([EXIT.ok, ''])
    expect(JSON.parse(out)).toEqual(JSON.parse(JSON.stringify(openApiDocument(packageJson.version))))
  })

  it('prints an answer as text, and with --json exactly as the API gives it', async () => {
    expect((await asked('status')).out).toContain('ok: All six nodes are up')
    const { out } = await asked('drains', 'show', 'd1', '--json')
    expect(JSON.parse(out)).toEqual((await server.asAdmin('GET', '/api/v1/drains/d1')).json)
  })

  it.each([
    [['nonsense'], EXIT.usage, 'unknown command'],
    [['drain', 'fra'], EXIT.usage, '--reason'],
    [['drains', 'show', 'nope'], EXIT.failed, 'ERR_NOT_FOUND: There is no drain nope'],
  ])(
    'says of %s what is wrong in a sentence on standard error, with exit code %i',
    async (args, code, words) => {
      const { out, err, ...ended } = await asked(...args)
      expect([ended.code, out]).toEqual([code, ''])
      expect(err).toContain(words)
    },
  )

  it.each([
    [{ TIDEGATE_URL: 'foo' }, 'TIDEGATE_URL is "foo"; it must be an http or https URL'],
    [{ TIDEGATE_URL: 'localhost:3000' }, 'TIDEGATE_URL is "localhost:3000"; it must be'],
    [{ TIDEGATE_URL: 'ana:geheim@foo' }, 'TIDEGATE_URL is no URL; it must be'],
    [{ TIDEGATE_URL: 'http://ana:geheim@foo' }, 'TIDEGATE_URL must hold no user and password'],
    [{ TIDEGATE_TOKEN: 'two\nlines' }, 'TIDEGATE_TOKEN is not a token'],
  ])('says of %j in one sentence that it cannot be used, with exit code 2', async (env, words) => {
    const { code, out, err } = await run(['drain', 'fra', '--reason', 'disks'], env)
    expect([code, out]).toEqual([EXIT.usage, ''])
    expect(err).toContain(`ERR_INVALID: ${words}`)
    expect(err.trim().split('\n')).toHaveLength(1)
    expect(err).not.toContain('geheim')
  })

  it('takes an empty TIDEGATE_URL for one that was not set', async () => {
    const { code, err } = await run(['status'], { TIDEGATE_URL: '', PORT: '1', TIDEGATE_TOKEN: 'x' })
    expect([code, err]).toEqual([EXIT.unreachable, expect.stringContaining('http://127.0.0.1:1 cannot')])
  })

  it('lists, announces and ends maintenance', async () => {
    expect((await asked('maintenance')).out).toMatch(/m1 +fra +active .*Kernel update/)
    expect((await asked('maintenance', 'list', '--status', 'past')).out).toBe('No maintenance\n')
    const add = [
      'maintenance',
      'add',
      '--title',
      'Disks',
      '--reason',
      'full',
      '--for',
      '2h',
      '--node',
      'fra-1',
    ]
    const { out } = await asked(...add, '--json')
    const window = JSON.parse(out)
    expect(window).toMatchObject({ id: 'm2', title: 'Disks', nodes: ['fra-1'], regions: [] })
    expect(Date.parse(window.to) - Date.parse(window.from)).toBe(7_200_000)
    expect(JSON.parse((await asked('maintenance', 'end', 'm2', '--json')).out)).toMatchObject({ id: 'm2' })
    expect(server.collector.calls).toContain('end maintenance m2')
    expect(await asked('maintenance', 'end', 'm2')).toMatchObject({ code: EXIT.failed, out: '' })
    const endless = await asked(...add.filter((word) => word !== '--for' && word !== '2h'))
    expect([endless.code, endless.err]).toEqual([EXIT.usage, expect.stringContaining('Say when it ends')])
  })

  it('tells a collector that is away from a token that is missing', async () => {
    const away = await run(['status'], { TIDEGATE_URL: 'http://127.0.0.1:1', TIDEGATE_TOKEN: 'x' })
    expect([away.code, away.err]).toEqual([EXIT.unreachable, expect.stringContaining('cannot be reached')])
    // A web server that answers everything with a page.
    const page = createServer((_, response) => response.end('<html></html>')).listen(0, '127.0.0.1')
    await once(page, 'listening')
    const { port } = page.address() as AddressInfo
    const other = await run(['status'], { TIDEGATE_URL: `http://127.0.0.1:${port}`, TIDEGATE_TOKEN: 'x' })
    page.close()
    expect([other.code, other.err]).toEqual([EXIT.unreachable, expect.stringContaining('is no collector')])
    const stranger = await run(['status'], { TIDEGATE_URL: server.url })
    expect([stranger.code, stranger.err]).toEqual([
      EXIT.denied,
      expect.stringContaining('set TIDEGATE_TOKEN'),
    ])
  })
})

it('every error code has an exit code that docs/cli.md lists', () => {
  const table: Partial<Record<ErrorCode, number>> = {
    ERR_UNAUTHENTICATED: EXIT.denied,
    ERR_FORBIDDEN: EXIT.denied,
    ERR_NODE_UNREACHABLE: EXIT.unreachable,
    ERR_STARTING: EXIT.unreachable,
    ERR_CONFLICT: EXIT.conflict,
    ERR_VERSION_CONFLICT: EXIT.conflict,
    ERR_DRAIN_RUNNING: EXIT.conflict,
    ERR_DRAIN_BLOCKED: EXIT.conflict,
    ERR_CONFIRM_MISMATCH: EXIT.conflict,
  }
  for (const code of Object.keys(ERROR_CODES) as ErrorCode[])
    expect([code, exitCodeFor(code)]).toEqual([code, table[code] ?? EXIT.failed])
})
