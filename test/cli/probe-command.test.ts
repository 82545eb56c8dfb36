import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { EXIT } from '../../server/cli/exit-codes.ts'
import { issue, makeAuthority } from '../collector/adapters/certificates.ts'
import { Servers } from '../collector/adapters/dial/servers.ts'

const cli = fileURLToPath(new URL('../../server/cli.ts', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'tidegate-probe-command-'))
const servers = new Servers()
afterAll(async () => {
  await servers.close()
  rmSync(folder, { recursive: true })
})

const run = (args: string[], env: Record<string, string> = {}) =>
  new Promise<{ code: number | null; out: string; err: string }>((resolve) => {
    const child = spawn(process.execPath, [cli, 'probe', ...args], {
      cwd: folder,
      env: { ...process.env, ...env },
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

describe('tidegate probe', { timeout: 30_000 }, () => {
  it('shows the certificate and the password that it is given, and writes both into the entry as they were given', async () => {
    const authority = await makeAuthority('Ops')
    const client = await issue(authority, { name: 'collector' })
    writeFileSync(join(folder, 'ca.pem'), authority.cert)
    writeFileSync(join(folder, 'us.pem'), client.cert)
    writeFileSync(join(folder, 'us.key'), client.key)
    writeFileSync(join(folder, 'password'), 'correct: horse\n')
    const wanted = `Basic ${Buffer.from('ada:correct: horse').toString('base64')}`
    const tls = { ...(await issue(authority)), ca: authority.cert, requestCert: true }
    const server = createServer(tls, (request, response) => {
      if (request.headers.authorization === wanted) response.end('{"ok":true,"stats":{"open":7}}')
      else response.writeHead(401).end()
    })
    const url = `https://127.0.0.1:${await servers.listen(server)}/health`
    const files = ['--ca', 'ca.pem', '--cert', 'us.pem', '--key', './us.key']
    const given = ['ada:correct: horse', 'ada:${STATUS_PASSWORD}', 'ada:${file:password}']
    const expected = ['${JSON_1_PASSWORD}', '${STATUS_PASSWORD}', '${file:password}']
    for (const [index, auth] of given.entries()) {
      const env = { STATUS_PASSWORD: 'correct: horse' }
      const { code, out, err } = await run([url, ...files, '--auth', auth], env)
      expect([code, err], out).toEqual([EXIT.ok, ''])
      expect(out).toContain('connections')
      expect(out).toContain('ca: ca.pem, cert: us.pem, key: ./us.key')
      expect(out).toContain(`auth: { user: ada, password: "${expected[index]}" }`)
      expect(out).not.toContain('horse')
    }
  })

  it.each([
    [
      401,
      [],
      "It wants a user and a password that it knows (it answered 401): give it --auth 'USER:${PASSWORD}'.",
    ],
    [
      400,
      [],
      'It probably wants a client certificate (it answered 400): give it --cert FILE and --key FILE.',
    ],
    [400, ['--cert', 'own.pem', '--key', 'own.key'], 'Nothing was recognised; name its kind with --kind.'],
    [403, [], /^It refuses to be looked at \(it answered 403\): give it --auth /],
    [404, [], 'Nothing was recognised; name its kind with --kind.'],
  ])('begins with what a system that answers %i wants, with %j', async (status, flags, words) => {
    const authority = await makeAuthority('Ops')
    const own = await issue(authority, { name: 'collector' })
    writeFileSync(join(folder, 'ca.pem'), authority.cert)
    writeFileSync(join(folder, 'own.pem'), own.cert)
    writeFileSync(join(folder, 'own.key'), own.key)
    const server = createServer(await issue(authority), (_, response) => response.writeHead(status).end())
    const url = `https://127.0.0.1:${await servers.listen(server)}/`
    const { code, out } = await run([url, '--ca', 'ca.pem', ...flags])
    expect(code).toBe(EXIT.failed)
    const [first] = out.split('\n')
    expect(first).toEqual(typeof words === 'string' ? words : expect.stringMatching(words))
  })

  it.each<[string, string[], string]>([
    ['no password', ['--auth', 'ada'], '--auth is a user and a password with a colon between them'],
    [
      'a variable that is not set',
      ['--auth', 'ada:${NO_SUCH}'],
      '--auth needs the environment variable NO_SUCH',
    ],
    ['a file that is not there', ['--token', '${file:nowhere}'], '--token needs the file nowhere'],
    [
      'an authority that is not there',
      ['--ca', 'nowhere.pem'],
      'ca names the file nowhere.pem, which cannot be read',
    ],
  ])('says in a sentence what is wrong with %s', async (_, flags, words) => {
    const { code, out, err } = await run(['https://127.0.0.1:1/', ...flags])
    expect([code, out]).not.toEqual([EXIT.ok, expect.anything()])
    expect(err).toContain(words)
    expect(err.trim().split('\n')).toHaveLength(1)
  })
})
