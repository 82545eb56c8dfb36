import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { checkConfig, loadConfig } from '../../server/config/load.ts'
import { remoteNodesOf } from '../../server/main/config-applier.ts'
import { ConfigInForce } from '../../server/main/config-in-force.ts'
import { type Certificate, issue, makeAuthority } from '../collector/adapters/certificates.ts'
import { log } from '../store/fixtures.ts'

const folder = mkdtempSync(join(tmpdir(), 'tidegate-tls-files-'))
const path = join(folder, 'tidegate.yaml')
const write = (name: string, text: string) => writeFileSync(join(folder, name), text)
let authority: Certificate
let client: Certificate
beforeAll(async () => {
  authority = await makeAuthority('ops')
  client = await issue(authority)
  // Two of them, put together without a line break between.
  write('ca.pem', `# ours\n${authority.cert.trim()}${client.cert}`)
  write('client.pem', client.cert)
  write('client.key', client.key)
  write('other.key', authority.key)
  write('nonsense.pem', 'hello')
  write('broken.pem', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')
  write('locked.key', '-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n')
})
afterAll(() => rmSync(folder, { recursive: true }))

const entry = (keys: string, url = 'https://any-1/health') =>
  `regions: [{ id: fra }]\nnodes: [{ id: any-1, region: fra, kind: json, url: "${url}", map: { ok: /ok }, ${keys} }]\n`
const problemsOf = (keys: string, url?: string) => {
  writeFileSync(path, entry(keys, url))
  return checkConfig(path, {})
}

it('reads the files of an entry beside the configuration, for the node and never for a page', () => {
  writeFileSync(path, entry('ca: ca.pem, cert: ./client.pem, key: client.key'))
  const [node] = remoteNodesOf(loadConfig(path, {}))
  expect(node?.tls).toEqual({
    ca: `${authority.cert.trim()}\n${client.cert.trim()}\n`,
    cert: `${client.cert.trim()}\n`,
    key: client.key,
  })
  const shown = new ConfigInForce({ path, env: {}, log }).inForce()
  expect(JSON.stringify(shown)).toContain('./client.pem')
  expect(JSON.stringify(shown)).not.toContain('BEGIN')
})

it.each([
  ['ca: missing.pem', 'nodes[0].ca', 'names the file missing.pem, which cannot be read'],
  ['ca: nonsense.pem', 'nodes[0].ca', /nonsense\.pem, which holds no certificate in PEM form/],
  ['ca: client.key', 'nodes[0].ca', /client\.key, which holds no certificate/],
  ['ca: broken.pem', 'nodes[0].ca', /broken\.pem, of which certificate 1 cannot be read/],
  ['key: client.key', 'nodes[0].key', /has no cert beside it/],
  ['cert: client.pem', 'nodes[0].cert', /has no key beside it/],
  [
    'cert: client.pem, key: other.key',
    'nodes[0].key',
    /other\.key, whose key is not that of the first certificate in client\.pem/,
  ],
  ['cert: client.pem, key: locked.key', 'nodes[0].key', /needs a passphrase/],
  ['cert: client.pem, key: nonsense.pem', 'nodes[0].key', /holds no private key/],
])('refuses %s', (keys, at, message) => {
  const problems = problemsOf(keys)
  expect(problems).toEqual([
    { path: at, message: typeof message === 'string' ? message : expect.stringMatching(message) },
  ])
})

const webhook = (keys: string, url = 'https://ops.example.com/drain') =>
  `drain: { webhook: { url: "${url}", secret: "0123456789abcdef", ${keys} } }`

it('reads the files of a webhook too, for the node and never for a page', () => {
  writeFileSync(path, entry(webhook('ca: ca.pem, cert: client.pem, key: client.key')))
  const [node] = remoteNodesOf(loadConfig(path, {}))
  expect(node).toHaveProperty('drain.webhook.tls', {
    ca: `${authority.cert.trim()}\n${client.cert.trim()}\n`,
    cert: `${client.cert.trim()}\n`,
    key: client.key,
  })
  expect(node?.tls).toBeUndefined()
  const shown = JSON.stringify(new ConfigInForce({ path, env: {}, log }).inForce())
  expect(shown).toContain('client.pem')
  expect(shown).not.toContain('BEGIN')
})

it.each([
  [
    webhook('ca: missing.pem'),
    'nodes[0].drain.webhook.ca',
    'names the file missing.pem, which cannot be read',
  ],
  [webhook('cert: client.pem'), 'nodes[0].drain.webhook.cert', 'has no key beside it'],
  [webhook('ca: ca.pem', 'http://ops.example.com/'), 'nodes[0].drain.webhook.ca', 'url begins with http:'],
])('refuses of a webhook: %s', (keys, at, message) => {
  expect(problemsOf(keys)).toEqual([{ path: at, message: expect.stringContaining(message) }])
})

it('refuses TLS files for an address without TLS, so that nobody believes to be safe', () => {
  expect(problemsOf('ca: ca.pem', 'http://any-1/health')).toEqual([
    { path: 'nodes[0].ca', message: expect.stringContaining('url begins with http:') },
  ])
})

it('says what is wrong with files together with all other mistakes', () => {
  expect(problemsOf('ca: missing.pem, region: nowhere').map((problem) => problem.path)).toContain('line 2')
  writeFileSync(path, entry('ca: missing.pem, timeoutMs: 1').replace('region: fra,', 'region: nowhere,'))
  expect(
    checkConfig(path, {})
      .map((problem) => problem.path)
      .sort(),
  ).toEqual(['nodes[0].ca', 'nodes[0].region', 'nodes[0].timeoutMs'])
})

it('takes another certificate when its file changes', async () => {
  writeFileSync(path, entry('ca: ca.pem'))
  const configuration = new ConfigInForce({ path, env: {}, log })
  const applied: (string | undefined)[] = []
  configuration.start({
    changedNodes: () => [],
    async apply(config) {
      applied.push(config.nodes[0]?.tls?.ca)
      return { added: [], removed: [], changed: [], regions: [] }
    },
    audit: async () => undefined,
    applied: () => undefined,
    problemsChanged: () => undefined,
    drained: () => [],
  })
  write('ca.pem', client.cert)
  await vi.waitFor(() => expect(applied).toEqual([`${client.cert.trim()}\n`]), {
    timeout: 8_000,
    interval: 50,
  })
  await configuration.close()
}, 15_000)
