import { readFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { createAddressRules } from '../../../server/collector/adapters/address.ts'
import type { NodeTarget } from '../../../server/collector/adapters/registry.ts'
import { adaptersForOneLook } from '../../../server/collector/probe/node-probe.ts'
import { redacted } from '../../../server/config/redact.ts'
import { nodeEntrySchema } from '../../../server/contract/kinds/node-entry.ts'
import { log } from '../../store/fixtures.ts'
import { Servers } from './dial/servers.ts'
import { startEnvoyAdmin } from './envoy/envoy-admin.ts'

const servers = new Servers()
const closers: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
  await servers.close()
})

const PASSWORD = 'correct horse'
const WANTED = `Basic ${Buffer.from(`ada:${PASSWORD}`).toString('base64')}`
const STATUS =
  'Active connections: 2 \nserver accepts handled requests\n 9 9 12 \nReading: 0 Writing: 1 Waiting: 1 \n'
const fixture = (name: string) => readFileSync(new URL(`../../fixtures/${name}`, import.meta.url), 'utf8')

/** A program behind a door that lets in whoever knows the password. */
const behindDoor = async (take: RequestListener): Promise<{ url: string; refused: () => number }> => {
  let refused = 0
  const port = await servers.listen(
    createServer((request, response) => {
      if (request.headers.authorization === WANTED) return void take(request, response)
      refused += 1
      response.writeHead(401, { 'www-authenticate': 'Basic realm="ops"' }).end()
    }),
  )
  return { url: `http://127.0.0.1:${port}`, refused: () => refused }
}

const answering =
  (answers: Record<string, string>): RequestListener =>
  (request, response) =>
    void response.end(answers[request.url ?? ''] ?? answers['*'] ?? '')

const envoy = async (): Promise<RequestListener> => {
  const admin = await startEnvoyAdmin()
  closers.push(() => admin.close())
  return (request, response) =>
    void fetch(`${admin.url}${request.url}`, { method: request.method ?? 'GET' }).then(async (answer) =>
      response.writeHead(answer.status).end(await answer.text()),
    )
}

const KINDS: readonly [string, object, () => Promise<RequestListener> | RequestListener][] = [
  ['json', { map: { ok: '/ok' } }, () => answering({ '*': '{"ok":true}' })],
  ['http', {}, () => answering({ '*': 'welcome' })],
  ['envoy', {}, envoy],
  ['nginx', {}, () => answering({ '*': STATUS })],
  ['prometheus', { map: { ok: { metric: 'up' } } }, () => answering({ '*': '# TYPE up gauge\nup 1\n' })],
  [
    'caddy',
    {},
    () =>
      answering({
        '/reverse_proxy/upstreams': '[{"address":"127.0.0.1:1","num_requests":0,"fails":0}]',
        '/metrics': fixture('caddy/metrics.txt'),
      }),
  ],
]

describe.each(KINDS)('auth of a node of kind %s', (kind, more, program) => {
  const targetAt = (url: string, auth?: object): NodeTarget => {
    const entry = { id: 'any-1', region: 'fra', kind, url, ...more, ...(auth === undefined ? {} : { auth }) }
    return { ...nodeEntrySchema.parse(entry), embedded: false } as NodeTarget
  }
  const adapters = () => {
    const all = adaptersForOneLook(createAddressRules([]), log)
    closers.push(() => all.close())
    return all
  }

  it('opens the door, and one that is missing or wrong is one sentence that names the key', async () => {
    const { url } = await behindDoor(await program())
    const adapter = adapters().of(targetAt(url).kind)
    const none = await adapter.probe(targetAt(url))
    expect(none).toMatchObject({ outcome: 'bad_status', status: 401 })
    expect(none.reason).toBe(
      'answered 401: it asks for a user and a password (basic auth); give this node auth: { user, password }',
    )
    const wrong = await adapter.probe(targetAt(url, { user: 'ada', password: 'wrong horse' }))
    expect(wrong).toMatchObject({ outcome: 'bad_status', status: 401 })
    expect(wrong.reason).toBe('answered 401: it does not take the user "ada" with the password of auth')
    const right = await adapter.probe(targetAt(url, { user: 'ada', password: PASSWORD }))
    expect(right, right.reason).toMatchObject({ outcome: 'ok' })
    expect(JSON.stringify(right)).not.toContain(PASSWORD)
  })

  it('is shown to nobody', () => {
    const config = { nodes: [targetAt('http://127.0.0.1:1', { user: 'ada', password: PASSWORD })] }
    expect(JSON.stringify(redacted(config))).not.toContain(PASSWORD)
  })
})

it('drains an Envoy behind a door, and says of a door that stays closed what is missing', async () => {
  const { url, refused } = await behindDoor(await envoy())
  const adapters = adaptersForOneLook(createAddressRules([]), log)
  closers.push(() => adapters.close())
  const target = { id: 'envoy-1', region: 'fra', kind: 'envoy', url, embedded: false } as const
  const order = {
    drainId: 'd1',
    reason: 'kernel',
    mode: 'hold',
    onDeadline: 'wait',
    initiator: 'ana',
  } as const
  const auth = { user: 'ada', password: PASSWORD }
  expect(await adapters.drains(() => ({ ...target, auth }))?.drain(order)).toEqual({ kind: 'accepted' })
  expect(refused()).toBe(0)
  const closed = await adapters.drains(() => target)?.drain(order)
  expect(closed).toMatchObject({ kind: 'refused', why: expect.stringContaining('auth: { user, password }') })
})
