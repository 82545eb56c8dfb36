import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createAddressRules } from '../../../server/collector/adapters/address.ts'
import { adaptersForOneLook, NodeProbe } from '../../../server/collector/probe/node-probe.ts'
import { tlsFilesBeside } from '../../../server/config/load.ts'
import { nodeProbeRequestSchema } from '../../../server/contract/probe.ts'
import { log } from '../../store/fixtures.ts'
import { type Certificate, issue, makeAuthority } from '../adapters/certificates.ts'
import { Servers } from '../adapters/dial/servers.ts'

const servers = new Servers()
afterEach(() => servers.close())
const folder = mkdtempSync(join(tmpdir(), 'tidegate-probe-'))
afterAll(() => rmSync(folder, { recursive: true }))

let authority: Certificate
let ours: Certificate
beforeAll(async () => {
  authority = await makeAuthority('Ops')
  ours = await issue(authority)
  const client = await issue(authority, { name: 'collector' })
  writeFileSync(join(folder, 'ca.pem'), authority.cert)
  writeFileSync(join(folder, 'collector.pem'), client.cert)
  writeFileSync(join(folder, 'collector.key'), client.key)
})

const look = (request: object, written = {}) => {
  const rules = createAddressRules([])
  return new NodeProbe({
    rules,
    adapters: () => adaptersForOneLook(rules, log),
    known: () => ({ ids: [], regions: [] }),
    tlsFiles: () => tlsFilesBeside(join(folder, 'tidegate.yaml')),
  }).run(nodeProbeRequestSchema.parse(request), written)
}

const PASSWORD = 'correct horse'
const STATUS =
  'Active connections: 2 \nserver accepts handled requests\n 9 9 12 \nReading: 0 Writing: 1 Waiting: 1 \n'
const guarded =
  (answer: string): RequestListener =>
  (request, response) => {
    const wanted = `Basic ${Buffer.from(`ada:${PASSWORD}`).toString('base64')}`
    if (request.headers.authorization === wanted) response.end(answer)
    else response.writeHead(401, { 'www-authenticate': 'Basic' }).end()
  }
const startGuarded = async (answer: string) => {
  const options = { ...ours, ca: authority.cert, requestCert: true, rejectUnauthorized: true }
  return `https://127.0.0.1:${await servers.https(options, guarded(answer))}/status`
}
const FILES = { ca: 'ca.pem', cert: './collector.pem', key: './collector.key' }
const AUTH = { auth: { user: 'ada', password: PASSWORD } }

describe('A look at a system that wants to know who asks', () => {
  it.each<[string, string, object]>([
    ['nginx', STATUS, {}],
    ['nginx', STATUS, { kind: 'nginx' }],
    ['json', '{"ok":true,"stats":{"open":7}}', {}],
    ['json', '{"ok":true,"stats":{"open":7}}', { kind: 'json' }],
    [
      'prometheus',
      '# TYPE nginx_up gauge\nnginx_up 1\n',
      { kind: 'prometheus', map: { ok: { metric: 'nginx_up' } } },
    ],
    ['http', 'welcome', {}],
  ])('uses the files and the password that it is given: kind %s', async (kind, answer, more) => {
    const url = await startGuarded(answer)
    const found = await look({ url, ...FILES, ...AUTH, ...more })
    expect(found, found.reading?.reason).toMatchObject({ kind, reading: { outcome: 'ok' } })
    expect(found.entry).toContain('ca: ca.pem, cert: ./collector.pem, key: ./collector.key')
    expect(found.entry).toContain(`auth: { user: ada, password: "\${${kind.toUpperCase()}_1_PASSWORD}" }`)
    expect(JSON.stringify(found)).not.toContain(PASSWORD)
    expect(JSON.stringify(found)).not.toContain('PRIVATE KEY')
  })

  it('writes a secret into the entry as the reference by which it was given', async () => {
    const url = await startGuarded(STATUS)
    const found = await look(
      { url, ...FILES, ...AUTH },
      { auth: { user: 'ada', password: '${file:/run/secrets/status}' } },
    )
    expect(found.entry).toContain('password: "${file:/run/secrets/status}"')
  })

  it('sends no secret of this machine anywhere: a reference is no value', async () => {
    const seen: string[] = []
    const port = await servers.http((request, response) => {
      seen.push(request.headers.authorization ?? '')
      response.writeHead(401).end()
    })
    const found = await look({
      url: `http://127.0.0.1:${port}/`,
      kind: 'http',
      auth: { user: 'ada', password: '${HOME}' },
    })
    expect(found.reading?.outcome).toBe('bad_status')
    expect(seen).toEqual([`Basic ${Buffer.from('ada:${HOME}').toString('base64')}`])
  })

  it('names the key of the entry that is missing, or wrong', async () => {
    const url = await startGuarded(STATUS)
    const reasonOf = async (more: object) => (await look({ url, kind: 'nginx', ...more })).notUnderstood[0]
    expect(await reasonOf({})).toMatch(/name the file of the authority that signed it in ca of this entry/)
    expect(await reasonOf({ ca: 'ca.pem' })).toMatch(/name one in cert and key of this entry/)
    expect(await reasonOf(FILES)).toMatch(/give this node auth: \{ user, password \}/)
    const wrong = await reasonOf({ ...FILES, auth: { user: 'ada', password: 'wrong horse' } })
    expect(wrong).toMatch(/does not take the user "ada"/)
    expect(wrong).not.toContain('wrong horse')
  })

  it('says which file cannot be used, before anybody is asked', async () => {
    const refused = async (more: object) => {
      const error: unknown = await look({ url: 'https://127.0.0.1:1/', ...more }).catch(
        (each: unknown) => each,
      )
      return (error as { facts: { problems: { path: string; message: string }[] } }).facts.problems
    }
    expect(await refused({ ca: 'nowhere.pem' })).toEqual([
      { path: 'ca', message: 'names the file nowhere.pem, which cannot be read' },
    ])
    expect((await refused({ cert: 'collector.pem' })).map(({ path }) => path)).toEqual(['cert'])
    expect((await refused({ ca: 'collector.key' }))[0]?.message).toMatch(/holds no certificate/)
    expect((await refused({ url: 'http://127.0.0.1:1/', ca: 'ca.pem' }))[0]?.message).toMatch(/is for TLS/)
  })

  it('never repeats a password that cannot be sent', async () => {
    expect(() =>
      nodeProbeRequestSchema.parse({ url: 'http://a', auth: { user: 'a:b', password: 'x\u0000y' } }),
    ).toThrow(expect.not.objectContaining({ message: expect.stringContaining('x\u0000y') }))
  })

  it('passes over a password where what answers has no such key', async () => {
    const address = `127.0.0.1:${await servers.saying('220 hello\r\n')}`
    const found = await look({ address, ...AUTH })
    expect(found.kind).toBe('tcp')
    expect(found.entry).not.toContain('auth')
  })
})
