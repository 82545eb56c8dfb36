import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createAddressRules } from '../../server/collector/adapters/address.ts'
import type { NodeTarget } from '../../server/collector/adapters/registry.ts'
import { adaptersForOneLook } from '../../server/collector/probe/node-probe.ts'
import { loadConfig } from '../../server/config/load.ts'
import { NODE_KINDS } from '../../server/contract/states.ts'
import { type Certificate, issue, makeAuthority } from '../collector/adapters/certificates.ts'
import { Servers } from '../collector/adapters/dial/servers.ts'
import { startEnvoyAdmin } from '../collector/adapters/envoy/envoy-admin.ts'
import { freePort, hasHaproxy, preamble, startHaproxy } from '../collector/adapters/haproxy/haproxy.ts'
import { healthDocument } from '../collector/adapters/tidegate/health-document.ts'
import { log } from '../store/fixtures.ts'

const text = readFileSync(new URL('../../docs/adapters.md', import.meta.url), 'utf8')
const fixture = (name: string) => readFileSync(new URL(`../fixtures/${name}`, import.meta.url), 'utf8')
/** The examples of entries, each with the heading below which it stands. */
const blocks: { heading: string; yaml: string }[] = []
let below = ''
for (const [, heading, yaml] of text.matchAll(/^(?:## (.+)|```yaml\n([\s\S]*?)^```)/gm)) {
  below = heading ?? below
  if (yaml?.startsWith('nodes:')) blocks.push({ heading: below, yaml })
}

const ENV = {
  FRA1_TOKEN: 'a-token-of-the-node-01',
  DRAIN_SECRET: 'a-secret-of-our-own-01',
  POOL_PASSWORD: 'of the pool',
  STATUS_PASSWORD: 'of the status page',
}

const folder = mkdtempSync(join(tmpdir(), 'tidegate-docs-adapters-'))
const servers = new Servers()
const adapters = adaptersForOneLook(createAddressRules([]), log)
const closers: (() => Promise<void>)[] = []
let authority: Certificate
let certificate: Certificate
beforeAll(async () => {
  authority = await makeAuthority('Ops')
  certificate = await issue(authority, { names: ['mail.example.com'] })
  const client = await issue(authority, { name: 'collector' })
  writeFileSync(join(folder, 'ops-ca.pem'), authority.cert)
  writeFileSync(join(folder, 'collector.pem'), client.cert)
  writeFileSync(join(folder, 'collector.key'), client.key)
})
afterAll(async () => {
  for (const close of closers) await close()
  await adapters.close()
  await servers.close()
  rmSync(folder, { recursive: true })
})

const entriesOf = (yaml: string): NodeTarget[] => {
  const path = join(folder, 'tidegate.yaml')
  writeFileSync(path, `regions: [{ id: fra }, { id: iad }, { id: sjc }]\n${yaml}`)
  return loadConfig(path, ENV).nodes.map((node) => ({ ...node, embedded: false }) as NodeTarget)
}

/** A document that has a number, or what it should be, at each pointer. */
const documentBy = (map: Readonly<Record<string, string>>, region: string): Record<string, unknown> => {
  const document: Record<string, unknown> = {}
  for (const [name, pointer] of Object.entries(map)) {
    const keys = pointer.slice(1).split('/')
    const last = keys.pop() ?? ''
    let at = document
    for (const key of keys) {
      at[key] ??= {}
      at = at[key] as Record<string, unknown>
    }
    at[last] = name === 'ok' ? true : name === 'region' ? region : 7
  }
  return document
}

const pageBy = (map: object): string =>
  Object.values(
    map as Record<string, { metric: string; label?: string; labels?: Record<string, string>; as?: string }>,
  )
    .map(({ metric, label, labels = {}, as }) => {
      const all = { ...labels, ...(label === undefined ? {} : { [label]: '1.21.0' }) }
      const written = Object.entries(all).map(([key, value]) => `${key}="${value}"`)
      return `# TYPE ${metric} ${as ?? 'gauge'}\n${metric}{${written.join(',')}} 1\n`
    })
    .join('')

const STATUS =
  'Active connections: 2 \nserver accepts handled requests\n 9 9 12 \nReading: 0 Writing: 1 Waiting: 1 \n'
const PAGES: Readonly<Record<string, string>> = { nginx: 'nginx/exporter-metrics.txt' }

/** What a program of this kind answers at the paths that it is asked at. */
const answersOf = async (target: NodeTarget): Promise<RequestListener> => {
  const saying =
    (answers: Readonly<Record<string, string>>, headers = {}): RequestListener =>
    (request, response) => {
      const answer = answers[new URL(request.url ?? '/', 'http://a').pathname] ?? answers['*']
      if (answer === undefined) response.writeHead(404).end()
      else response.writeHead(200, headers).end(answer)
    }
  switch (target.kind) {
    case 'tidegate':
      return saying({ '/health': JSON.stringify(healthDocument({ node: target.id, region: target.region })) })
    case 'json': {
      const known =
        target.preset === 'push-gateway'
          ? JSON.parse(fixture('push-gateway/health.json'))
          : target.preset === 'relay'
            ? { ok: true, region: target.region }
            : {}
      const mapped = documentBy((target.map ?? {}) as Record<string, string>, target.region)
      return saying({ '*': JSON.stringify({ ...known, ...mapped }) })
    }
    case 'prometheus': {
      const page =
        target.preset === undefined ? '' : fixture(PAGES[target.preset] ?? `${target.preset}/metrics.txt`)
      return saying({ '*': page + pageBy(target.map ?? {}) })
    }
    case 'envoy': {
      const admin = await startEnvoyAdmin()
      closers.push(() => admin.close())
      return (request, response) =>
        void fetch(`${admin.url}${request.url}`).then(async (answer) => response.end(await answer.text()))
    }
    case 'caddy':
      return saying({
        '/reverse_proxy/upstreams': '[{"address":"127.0.0.1:1","num_requests":0,"fails":0}]',
        '/metrics': fixture('caddy/metrics.txt'),
      })
    case 'nginx':
      return saying({ '/stub_status': STATUS })
    case 'http':
      return saying({ '*': `<h1>${target.expect?.body ?? ''}</h1>` }, target.expect?.headers)
    default:
      throw new Error(`${target.kind} is not asked over HTTP`)
  }
}

/** The same entry, asked at a server of our own that answers as its program does; null where that program is missing here. */
const moved = async (target: NodeTarget): Promise<NodeTarget | null> => {
  const tls = { ca: authority.cert, ...target.tls }
  if (target.kind === 'tcp') return { ...target, address: `127.0.0.1:${await servers.silent()}` }
  if (target.kind === 'tls') return { ...target, tls, address: `127.0.0.1:${await servers.tls(certificate)}` }
  if (target.kind === 'haproxy') {
    if (!hasHaproxy) return null
    const [front, runtime] = [await freePort(), await freePort()]
    const haproxy = await startHaproxy(
      (own) => `${preamble(own, `stats socket ipv4@127.0.0.1:${runtime} level admin`)}
frontend web
  bind 127.0.0.1:${front}
  default_backend web
backend web
  server web-1 127.0.0.1:${front}
`,
    )
    closers.push(() => haproxy.close())
    return {
      ...target,
      ...(target.socket === undefined ? { address: `127.0.0.1:${runtime}` } : { socket: haproxy.socket }),
    }
  }
  const { auth } = target as { auth?: { user: string; password: string } }
  const wanted = auth && `Basic ${Buffer.from(`${auth.user}:${auth.password}`).toString('base64')}`
  const take = await answersOf(target)
  const guarded: RequestListener = (request, response) => {
    if (wanted !== undefined && request.headers.authorization !== wanted) response.writeHead(401).end()
    else take(request, response)
  }
  const { protocol, pathname, search } = new URL(target.url)
  const server =
    protocol === 'https:'
      ? createHttpsServer(
          {
            ...(await issue(authority)),
            ca: authority.cert,
            requestCert: true,
            rejectUnauthorized: target.tls?.cert !== undefined,
          },
          guarded,
        )
      : createHttpServer(guarded)
  const url = `${protocol}//127.0.0.1:${await servers.listen(server)}${pathname}${search}`
  return { ...target, tls, url } as NodeTarget
}

describe('entries in docs/adapters.md', () => {
  it('stand below every kind of node, and a configuration may hold each of them', () => {
    expect(blocks.length).toBeGreaterThan(NODE_KINDS.length)
    for (const kind of NODE_KINDS) {
      const own = blocks.filter(({ heading }) => heading === kind).flatMap(({ yaml }) => entriesOf(yaml))
      expect(
        own.map((entry) => entry.kind),
        kind,
      ).toContain(kind)
    }
  })

  const entries = blocks.map(({ heading, yaml }, index) => [heading, index, yaml] as const)
  it.each(entries)(
    'of %s (%i) are read whole from a program that answers so',
    async (_heading, _index, yaml) => {
      for (const entry of entriesOf(yaml)) {
        const target = await moved(entry)
        if (target === null) continue
        const reading = await adapters.of(target.kind).probe(target)
        expect(reading, `${target.id}: ${reading.reason}`).toMatchObject({
          outcome: 'ok',
          facts: { ok: true },
        })
        expect(reading.partial, target.id).toBeUndefined()
      }
    },
  )
})
