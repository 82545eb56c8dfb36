import { execFileSync } from 'node:child_process'
import { mkdtempSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readEnvironment } from '../../server/config/environment.ts'
import {
  checkConfig,
  checkConfigText,
  loadConfig,
  loadNodeConfig,
  readConfig,
} from '../../server/config/load.ts'
import { AppError } from '../../server/contract/errors.ts'
import { NODE_KINDS } from '../../server/contract/states.ts'

const folder = mkdtempSync(join(tmpdir(), 'tidegate-config-'))
let files = 0
const file = (text: string): string => {
  const path = join(folder, `${files++}.yaml`)
  writeFileSync(path, text)
  return path
}

const GOOD = `
regions: [{ id: fra, name: Frankfurt, at: [50.11, 8.68], capacity: { tunnels: 2000 } }]
nodes: [{ id: fra-1, region: fra, kind: tidegate, url: "https://fra-1.internal:9460", token: "\${FRA1_TOKEN}" }]
`

describe('tidegate.yaml', () => {
  it('fills defaults and takes secrets from the environment', () => {
    const config = loadConfig(file(GOOD), { FRA1_TOKEN: 'a-long-enough-token' })
    expect(config.polling).toEqual({ intervalMs: 5000, timeoutMs: 3000, allow: [] })
    expect(config.server.port).toBe(3000)
    expect(config.nodes[0]).toMatchObject({ token: 'a-long-enough-token' })
  })

  it('takes a reference without quotes inside braces, as the documents write it', () => {
    const node = `id: fra-1
region: fra
control: { port: 9460, token: \${CONTROL_TOKEN} }
relay: { port: 8081, tokens: { host-a: \${HOST_A_TOKEN}, host-b: "plain-\${HOST_A_TOKEN}" } } # \${NOT_READ}
`
    const secrets = { CONTROL_TOKEN: '{ not: yaml, at: all }', HOST_A_TOKEN: '0123456789' }
    const config = loadNodeConfig(file(node), secrets)
    expect(config.control?.token).toBe(secrets.CONTROL_TOKEN)
    expect(config.relay?.tokens).toEqual({ 'host-a': '0123456789', 'host-b': 'plain-0123456789' })
    expect(() => loadNodeConfig(file(node), { CONTROL_TOKEN: 'a-long-enough-token' })).toThrow(
      'needs the environment variable HOST_A_TOKEN',
    )
  })

  it('takes a secret from a file, without its last newline', () => {
    writeFileSync(join(folder, 'secret'), 'from-a-file-in-the-folder\n')
    const config = loadConfig(file(GOOD.replace('${FRA1_TOKEN}', '${file:secret}')), {})
    expect(config.nodes[0]).toMatchObject({ token: 'from-a-file-in-the-folder' })
  })

  it.each([
    ['nodes', 'nodes[1].id', 'nodes: [NODE, { ...NODE, port: 2 }]'],
    ['nodes and embedded', 'embedded[0].id', 'nodes: [NODE]\nembedded: [{ id: fra-1, region: fra }]'],
    ['embedded', 'embedded[1].id', 'embedded: [{ id: fra-1, region: fra }, { id: fra-1, region: fra }]'],
  ])('refuses a file as a whole in which two entries of %s have one id', (_where, at, entries) => {
    const node = (port: number) =>
      `{ id: fra-1, region: fra, kind: tidegate, url: "https://x:${port}", token: "0123456789abcdef" }`
    const text = `regions: [{ id: fra }]\n${entries.replace('{ ...NODE, port: 2 }', node(2)).replace('NODE', node(1))}\n`
    const path = file(text)
    expect(checkConfig(path, {})).toEqual([
      { path: at, message: 'is "fra-1", which another node has; ids are unique' },
    ])
    expect(() => loadConfig(path, {})).toThrow(/which another node has/)
  })

  it('reports rules between fields together with mistakes of one field', () => {
    const problems = checkConfig(
      file(`
server: { port: 99999 }
polling: { timeoutMs: 8000 }
regions: [{ id: fra }, { id: fra }]
nodes:
  - { id: fra-1, region: iad, kind: tidegate, url: "https://x:1", token: "0123456789abcdef" }
embedded: nonsense
`),
      {},
    )
    expect(problems.map(({ path }) => path).sort()).toEqual([
      'embedded',
      'nodes[0].region',
      'polling.timeoutMs',
      'regions[1].id',
      'server.port',
    ])
  })

  it('refuses a copied line that would drain the wrong machine', () => {
    const problems = checkConfig(
      file(`
regions: [{ id: fra }]
nodes:
  - { id: fra-1, region: fra, kind: tidegate, url: "https://A.example:443/x/", token: "0123456789abcdef" }
  - { id: fra-2, region: fra, kind: tidegate, url: "https://a.example/x", token: "0123456789abcdef" }
  - { id: fra-3, region: fra, kind: tidegate, url: "https://a.example:444/x", token: "0123456789abcdef" }
  - { id: fra-4, region: fra, kind: tidegate, url: "https://ana:secret@a.example/x", token: "0123456789abcdef" }
`),
      {},
    )
    expect(problems.filter(({ message }) => message.includes('asked already'))).toEqual([
      {
        path: 'nodes[1].url',
        message:
          'is https://a.example/x, where nodes[0] (fra-1) is asked already; each node has an address of its own',
      },
      {
        path: 'nodes[3].url',
        message:
          'is https://a.example/x, where nodes[0] (fra-1) is asked already; each node has an address of its own',
      },
    ])
  })

  it('reports every problem at once, each with path, value, rule and example', () => {
    const path = file(`
polling: { intervalMs: 5000, timeoutMs: "soon", retries: 3 }
regions: [{ id: FRA }]
nodes:
  - { id: fra-1, region: fra, kind: tidegate, url: relay-b, token: short }
  - { id: fra-2, region: fra, kind: gopher, url: "https://x:1", token: "0123456789abcdef" }
`)
    const problems = checkConfig(path, {})
    const by = Object.fromEntries(problems.map((problem) => [problem.path, problem.message]))
    expect(Object.keys(by).sort()).toEqual(
      [
        'polling.timeoutMs',
        'polling.retries',
        'regions[0].id',
        'nodes[0].url',
        'nodes[0].token',
        'nodes[1].kind',
      ].sort(),
    )
    expect(by['nodes[0].url']).toBe(
      'is "relay-b"; must be an http or https URL, for example https://fra-1.internal:9460',
    )
    expect(by['polling.retries']).toBe('is not a known key here')
    expect(by['nodes[1].kind']).toBe(
      `is "gopher"; must be one of ${NODE_KINDS.slice(0, -1).join(', ')} or ${NODE_KINDS.at(-1)}`,
    )
  })

  it.each([
    ['ngnix', 'nginx'],
    ['HAProxi', 'haproxy'],
    ['gopher', null],
  ])('asks about the kind %s whether %s was meant', (kind, meant) => {
    const path = file(`
regions: [{ id: fra }]
nodes: [{ id: fra-1, region: fra, kind: ${kind}, url: "https://x:1" }]
`)
    const [problem] = checkConfig(path, {})
    const asked = /did you mean (\w+)\?$/.exec(problem?.message ?? '')?.[1] ?? null
    expect([problem?.path, asked]).toEqual(['nodes[0].kind', meant])
  })

  it('takes a node of kind json with its map, and asks one program for several nodes', () => {
    const path = file(`
regions: [{ id: fra }]
nodes:
  - { id: push-1, region: fra, kind: json, url: "https://push.example.com/health?of=1", map: { ok: /ok, connections: /stats/open, push_received: "/a~1b/~0c/0" } }
  - { id: push-2, region: fra, kind: json, url: "https://push.example.com/health?of=2", map: { uptime_seconds: /up } }
`)
    expect(loadConfig(path, {}).nodes[0]).toEqual({
      id: 'push-1',
      region: 'fra',
      kind: 'json',
      url: 'https://push.example.com/health?of=1',
      map: { ok: '/ok', connections: '/stats/open', push_received: '/a~1b/~0c/0' },
    })
  })

  it.each([
    ['kind: haproxy', 'kind', 'must have a socket or an address beside it'],
    ['kind: haproxy, socket: /a.sock, address: "127.0.0.1:9"', 'address', 'must not stand beside socket'],
    ['kind: haproxy, socket: run/a.sock', 'socket', 'must be an absolute path'],
    ['kind: haproxy, address: "127.0.0.1"', 'address', 'must be host:port'],
    ['kind: haproxy, address: "127.0.0.1:99999"', 'address', 'must be host:port'],
    ['kind: haproxy, socket: /a.sock, backend: web', 'backend', 'must have a server beside it'],
    ['kind: haproxy, socket: /a.sock, server: web-1', 'server', 'must have a backend beside it'],
    [
      'kind: haproxy, socket: /a.sock, backend: "web;quit", server: a',
      'backend',
      'must be a name as HAProxy takes it',
    ],
    [
      'kind: haproxy, socket: /a.sock, backend: web, server: a, keep: [b]',
      'keep',
      'must not stand beside server',
    ],
  ])('says what is wrong with a node of kind haproxy: %s', (part, at, message) => {
    const problems = checkConfig(
      file(`
regions: [{ id: fra }]
nodes: [{ id: any-1, region: fra, ${part} }]
`),
      {},
    )
    expect(problems.find(({ path }) => path === `nodes[0].${at}`)?.message).toContain(message)
  })

  it.each([
    [
      'map: { conections: /stats/open }',
      'map.conections',
      'is no name that can be mapped; those are ok, region',
    ],
    ['map: { latency_ms: /took }', 'map.latency_ms', 'is no name that can be mapped; those are ok, region'],
    ['map: { ok: stats.ok }', 'map.ok', 'is "stats.ok"; must be a JSON Pointer (RFC 6901)'],
    ['map: { ok: "" }', 'map.ok', 'is ""; must be a JSON Pointer (RFC 6901)'],
    ['map: { ok: /a~2b }', 'map.ok', 'is "/a~2b"; must be a JSON Pointer (RFC 6901)'],
    ['map: { ok: "/a\\u202e" }', 'map.ok', 'must not have hidden characters'],
    ['map: { ok: true }', 'map.ok', 'is true; '],
    ['map: {}', 'map', 'is {}; must map one name at least, for example { ok: /ok'],
    ['map: /ok', 'map', 'is "/ok"; '],
    [
      'drain: {}',
      'map',
      'is missing; it is needed where no preset is named, for example { ok: /ok, connections:',
    ],
    ['map: { ok: /ok }, token: 0123456789abcdef', 'token', 'is not a known key here'],
  ])('says what is wrong with a node of kind json: %s', (part, at, message) => {
    const problems = checkConfig(
      file(`
regions: [{ id: fra }]
nodes: [{ id: any-1, region: fra, kind: json, url: "http://10.0.0.5:8080/health", ${part} }]
`),
      {},
    )
    const by = Object.fromEntries(problems.map((problem) => [problem.path, problem.message]))
    expect(by[`nodes[0].${at}`]).toContain(message)
  })

  it('takes a node of kind prometheus by a preset, by a map, or by both, and asks one exporter for several', () => {
    const path = file(`
regions: [{ id: fra }]
nodes:
  - { id: cf-1, region: fra, kind: prometheus, preset: cloudflared, url: "http://10.0.0.5:20241/metrics" }
  - { id: p-1, region: fra, kind: prometheus, url: "http://10.0.0.5/probe?target=a", map: { requests: { metric: q_total, labels: { db: a }, as: counter } } }
  - { id: p-2, region: fra, kind: prometheus, url: "http://10.0.0.5/probe?target=b", preset: nginx, auth: { user: ada, password: "" }, map: { requests: { metric: q_total, optional: true } } }
`)
    expect(loadConfig(path, {}).nodes[1]).toEqual({
      id: 'p-1',
      region: 'fra',
      kind: 'prometheus',
      url: 'http://10.0.0.5/probe?target=a',
      map: { requests: { metric: 'q_total', labels: { db: 'a' }, as: 'counter' } },
    })
  })

  it.each([
    ['drain: {}', 'map', 'is missing; it is needed where no preset is named'],
    ['ca: ./ca.pem', 'map', 'is missing; it is needed where no preset is named, for example { connections:'],
    ['map: {}', 'map', 'is {}; must map one name at least'],
    [
      'map: { conections: { metric: a } }',
      'map.conections',
      'is no name that can be mapped; those are region, version',
    ],
    ['map: { requests: a_total }', 'map.requests', 'is "a_total"; '],
    ['map: { requests: { metric: "a{b}" } }', 'map.requests.metric', 'must be the whole name of a series'],
    [
      'map: { requests: { metric: a, as: gauge } }',
      'map.requests.as',
      'must be counter: requests is drawn as its increase',
    ],
    [
      'map: { connections: { metric: a, as: counter } }',
      'map.connections.as',
      'must be gauge: connections is drawn as it is now',
    ],
    ['map: { requests: { metric: a, labels: { code: 200 } } }', 'map.requests.labels.code', 'is 200; '],
    ['map: { ok: { metric: up, as: gauge } }', 'map.ok.as', 'is not a known key here'],
    ['preset: squid', 'preset', 'is "squid"; must be cloudflared, traefik'],
    ['preset: nginx, auth: { user: "a:b", password: x }', 'auth.user', 'must have no colon'],
    ['preset: nginx, auth: { user: a }', 'auth.password', 'is missing'],
  ])('says what is wrong with a node of kind prometheus: %s', (part, at, message) => {
    const problems = checkConfig(
      file(`
regions: [{ id: fra }]
nodes: [{ id: any-1, region: fra, kind: prometheus, url: "http://10.0.0.5:8080/metrics", ${part} }]
`),
      {},
    )
    const by = Object.fromEntries(problems.map((problem) => [problem.path, problem.message]))
    expect(by[`nodes[0].${at}`]).toContain(message)
  })

  it('lets an HAProxy speak for itself and for each server behind it, once', () => {
    const node = (id: string, more: string) => `{ id: ${id}, region: fra, kind: haproxy, ${more} }`
    const problems = checkConfig(
      file(`
regions: [{ id: fra }]
nodes:
  - ${node('a-1', 'socket: /run/a.sock')}
  - ${node('a-2', 'socket: /run/a.sock, backend: web, server: web-1')}
  - ${node('a-3', 'socket: /run/a.sock, backend: web, server: web-2')}
  - ${node('a-4', 'socket: /run/b.sock')}
  - ${node('a-5', 'socket: /run/a.sock, backend: web, server: web-1')}
  - ${node('a-6', 'address: "127.0.0.1:9999"')}
  - ${node('a-7', 'address: "127.0.0.1:9999"')}
`),
      {},
    )
    expect(problems).toEqual([
      {
        path: 'nodes[4].socket',
        message: 'is /run/a.sock, where nodes[1] (a-2) is asked already; each node has an address of its own',
      },
      {
        path: 'nodes[6].address',
        message:
          'is 127.0.0.1:9999, where nodes[5] (a-6) is asked already; each node has an address of its own',
      },
    ])
  })

  it('never says the query of an address that two nodes share', () => {
    const node = (id: string) =>
      `{ id: ${id}, region: fra, kind: json, url: "http://10.0.0.5/health?key=hunter2", map: { ok: /ok } }`
    const problems = checkConfig(file(`regions: [{ id: fra }]\nnodes: [${node('a-1')}, ${node('a-2')}]`), {})
    expect(problems).toEqual([
      {
        path: 'nodes[1].url',
        message:
          'is http://10.0.0.5/health, where nodes[0] (a-1) is asked already; each node has an address of its own',
      },
    ])
  })

  it('never says a secret that is part of such an address, in lower case and escaped neither', () => {
    const node = (id: string) =>
      `{ id: ${id}, region: fra, kind: json, url: "http://\${HOST}/\${PATH_KEY}", map: { ok: /ok } }`
    const problems = checkConfig(file(`regions: [{ id: fra }]\nnodes: [${node('a-1')}, ${node('a-2')}]`), {
      HOST: 'Secret.example',
      PATH_KEY: 'hunter 2"',
    })
    expect(problems).toEqual([
      {
        path: 'nodes[1].url',
        message:
          'is http://${HOST}/${PATH_KEY}, where nodes[0] (a-1) is asked already; each node has an address of its own',
      },
    ])
  })

  it.each([
    ['an alias that names nothing', 'regions: *gone'],
    ['an alias in a circle', 'regions: &a [*a]'],
    [
      'aliases that multiply',
      `a: &a [x, x, x, x, x, x, x, x, x, x]
b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]
c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]
regions: [*c, *c]`,
    ],
  ])('names %s as the problem that it is', (_, text) => {
    const [problem, ...others] = checkConfigText(text, '/nowhere/tidegate.yaml', {})
    expect(problem?.path).toBe('file')
    expect(problem?.message).toMatch(/^cannot be unfolded: /)
    expect(others).toEqual([])
  })

  it('shows a reference in the place of a key as it was written: keys are not replaced', () => {
    const text = 'regions: [{ id: fra, ${NAME}: 1 }]\n"a-${NAME}": 1\nembedded: [{ id: e, region: fra }]'
    expect(checkConfigText(text, '/nowhere/tidegate.yaml', { NAME: 'name' })).toEqual([
      { path: 'regions[0].${NAME}', message: 'is not a known key here' },
      { path: 'a-${NAME}', message: 'is not a known key here' },
    ])
  })

  it('says once what is wrong many times on one line', () => {
    const text = `regions: ${'['.repeat(5_000)}${']'.repeat(5_000)}`
    expect(checkConfigText(text, '/nowhere/tidegate.yaml', {})).toHaveLength(1)
  })

  it('finds a key that stands twice, on each level and by its line', () => {
    const text = 'regions: [{ id: fra }]\nnodes:\n  - { id: a,\n      id: b }\nregions: []'
    expect(checkConfigText(text, '/nowhere/tidegate.yaml', {})).toEqual([
      { path: 'line 5', message: 'Map keys must be unique' },
      { path: 'line 4', message: 'Map keys must be unique' },
    ])
  })

  it('reads a file of very many keys in the time of few, however wrong it is', { timeout: 20_000 }, () => {
    const text = Array.from({ length: 50_000 }, (_, index) => `k${index}: 1`).join('\n')
    expect(checkConfigText(text, '/nowhere/tidegate.yaml', {}).length).toBeGreaterThan(50_000)
  })

  it.each([
    ['too short an interval', 'polling: { intervalMs: 1 }', 'polling.intervalMs'],
    ['half a millisecond', 'polling: { intervalMs: 2000.5 }', 'polling.intervalMs'],
    ['too short a timeout', 'polling: { timeoutMs: 1 }', 'polling.timeoutMs'],
    [
      'a timeout as long as the interval',
      'polling: { intervalMs: 2000, timeoutMs: 2000 }',
      'polling.timeoutMs',
    ],
  ])('counts one mistake once: %s', (_, text, path) => {
    const paths = checkConfigText(text, '/nowhere/tidegate.yaml', {}).map((problem) => problem.path)
    expect(paths.filter((each) => each.startsWith('polling'))).toEqual([path])
  })

  it.each([
    [
      'a timeout of a node that is not below its interval',
      'nodes: [{ id: a, region: fra, kind: json, url: "http://a", map: { ok: /ok }, intervalMs: 60000, timeoutMs: 60000 }]',
      'nodes[0].timeoutMs',
    ],
    [
      'an interval of a node below the ordinary timeout',
      'nodes: [{ id: a, region: fra, kind: json, url: "http://a", map: { ok: /ok }, intervalMs: 3000 }]',
      'nodes[0].intervalMs',
    ],
    [
      'a timeout of a node that is not below the ordinary interval',
      'nodes: [{ id: a, region: fra, kind: json, url: "http://a", map: { ok: /ok }, timeoutMs: 5000 }]',
      'nodes[0].timeoutMs',
    ],
  ])('names where a poll would not finish before the next begins: %s', (_, nodes, path) => {
    const problems = checkConfigText(`regions: [{ id: fra }]\n${nodes}`, '/nowhere/tidegate.yaml', {})
    expect(problems).toEqual([
      { path, message: expect.stringContaining('a poll must finish before the next begins') },
    ])
  })

  it('refuses in one sentence what would take a running server too long to read, and tells very many mistakes', () => {
    const check = (text: string) => checkConfigText(text, '/nowhere/tidegate.yaml', {})
    const largest = 512 * 1024
    expect(check(`#${' '.repeat(largest)}`)).toEqual([
      { path: '/nowhere/tidegate.yaml', message: '/nowhere/tidegate.yaml is larger than 524288 bytes' },
    ])
    // Bytes count, not letters.
    expect(check(`#${'é'.repeat(largest / 2)}`)).toHaveLength(1)
    expect(check('}\n'.repeat(largest / 2)).length).toBeGreaterThan(100_000)
  })

  it('neither waits for a pipe nor reads a device or a huge file while a server runs, and names the files all the same', () => {
    const pipe = join(folder, 'pipe')
    execFileSync('mkfifo', [pipe])
    const huge = file('')
    truncateSync(huge, 2 ** 30)
    const running = (path: string): unknown => {
      const told: string[][] = []
      try {
        readConfig(path, {}, (files) => told.push(files), true)
      } catch (error) {
        return [error instanceof AppError ? error.message.replaceAll(folder, '') : error, told.flat()]
      }
      return told
    }
    expect(running(pipe)).toEqual(['/pipe is not a regular file', [pipe]])
    expect(running('/dev/zero')).toEqual(['/dev/zero is not a regular file', ['/dev/zero']])
    expect(running(folder)).toEqual([' is not a regular file', [folder]])
    expect(running(huge)).toEqual([expect.stringContaining('is larger than 524288 bytes'), [huge]])
    const refers = file(`${GOOD.replace('${FRA1_TOKEN}', '${file:pipe}')}`)
    expect(running(refers)).toEqual([
      expect.stringContaining('needs the file pipe, which cannot be read'),
      [refers, pipe],
    ])
  })

  it('never repeats a secret in a message', () => {
    const problems = checkConfig(file(GOOD), { FRA1_TOKEN: 'hunter2' })
    expect(JSON.stringify(problems)).not.toContain('hunter2')
    expect(problems[0]?.message).toContain('[redacted]')
  })

  it('says which host id of relay.tokens is not one, and the rule, but no token', () => {
    const problems = checkConfig(
      file(`${GOOD}
embedded: [{ id: e, region: fra, relay: { port: 0, tokens: { Host_A: hunter2-hunter2, host-b: short } } }]
`),
      { FRA1_TOKEN: '0123456789abcdef' },
    )
    const by = Object.fromEntries(problems.map((problem) => [problem.path, problem.message]))
    expect(by['embedded[0].relay.tokens']).toBe(
      'has the key "Host_A", which is not allowed here: host ids match [a-z0-9-]{1,63}, for example host-07',
    )
    expect(by['embedded[0].relay.tokens.host-b']).toContain('[redacted]')
    expect(JSON.stringify(problems)).not.toContain('hunter2')
  })

  it('prints no password of a URL, no secret below a part of the wrong shape, and nothing of the environment', () => {
    const problems = checkConfig(
      file(`
server: { url: "ftp://ana:hunter2@gate.example.com/?key=hunter2", host: ["\${PLACE}"] }
regions: [{ id: fra }]
nodes: { id: fra-1, url: "https://ops:hunter2@fra-1:1", token: hunter2-hunter2-hunter2, notes: "\${PLACE}" }
embedded: [{ id: e, region: fra, relay: [{ tokens: { host-a: hunter2 } }] }]
`),
      { PLACE: 'hunter2-of-the-environment' },
    )
    expect(problems.map(({ path }) => path).sort()).toEqual([
      'embedded[0].relay',
      'nodes',
      'server.host',
      'server.url',
    ])
    expect(JSON.stringify(problems)).not.toContain('hunter2')
    expect(problems.find(({ path }) => path === 'server.url')?.message).toContain('ftp://[redacted]@gate')
    expect(problems.find(({ path }) => path === 'server.host')?.message).toContain('${PLACE}')
  })

  it.each([
    ['10.0.0.0/99', 'must end with a prefix from 0 to 32, for example 10.0.0.0/8'],
    ['fd00::/129', 'must end with a prefix from 0 to 128, for example fd00::/8'],
    ['foo', 'must be an IP address or a CIDR range, for example 10.0.0.0/8'],
    ['10.1/16', 'must be an IP address or a CIDR range, for example 10.0.0.0/8'],
    ['10.0.0.0/8/8', 'must be an IP address or a CIDR range, for example 10.0.0.0/8'],
    [
      '10.0.0.7/8',
      'has bits behind its prefix; for example 10.0.0.0/8 is that network, 10.0.0.7 alone is that address',
    ],
  ])('says of the range %s that it is none, before the server starts', (range, message) => {
    const problems = checkConfig(
      file(`server: { trustedProxies: ["${range}"] }
polling: { allow: ["10.0.0.0/8", "${range}", "fd00::/8", "127.0.0.1"] }${GOOD}`),
      { FRA1_TOKEN: 'a-long-enough-token' },
    )
    expect(problems).toEqual([
      { path: 'server.trustedProxies[0]', message: `is "${range}"; ${message}` },
      { path: 'polling.allow[1]', message: `is "${range}"; ${message}` },
    ])
  })

  it('refuses to trust everybody as a proxy, and names that are no names', () => {
    const problems = checkConfig(
      file(`server: { trustedProxies: ["0.0.0.0/0"], hosts: ["https://gate:3000", "gate.internal"] }${GOOD}`),
      { FRA1_TOKEN: 'a-long-enough-token' },
    )
    expect(problems.map(({ path }) => path)).toEqual(['server.trustedProxies[0]', 'server.hosts[0]'])
  })

  it('names the variable that a secret needs', () => {
    expect(checkConfig(file(GOOD), {})).toEqual([
      { path: 'nodes[0].token', message: 'needs the environment variable FRA1_TOKEN, which is not set' },
    ])
  })

  it('checks rules between fields', () => {
    const problems = checkConfig(
      file(`
polling: { intervalMs: 5000, timeoutMs: 8000 }
regions: [{ id: fra }, { id: fra }]
nodes: [{ id: a, region: ams, kind: tidegate, url: "http://a:1", token: "0123456789abcdef" }]
`),
      {},
    )
    expect(problems.map((problem) => problem.path)).toEqual([
      'polling.timeoutMs',
      'regions[1].id',
      'nodes[0].region',
    ])
    expect(problems[0]?.message).toContain('a poll must finish before the next begins')
  })

  it('says the line of a YAML mistake', () => {
    expect(checkConfig(file('regions: [\nnodes: {'), {})[0]?.path).toMatch(/^line \d+$/)
  })

  it('says in one sentence that a named file is missing', () => {
    expect(() => loadConfig(join(folder, 'none.yaml'), {})).toThrow(/does not exist/)
  })

  it('makes the paths of a node relative to its file', () => {
    const config = loadNodeConfig(
      file(`
id: fra-1
region: fra
control: { port: 0 }
push: { host: localhost, topic: t, keyId: A, teamId: B, keyPath: ./key.p8, tokens: { file: tokens.json } }
`),
      {},
    )
    expect(config.push?.keyPath).toBe(join(folder, 'key.p8'))
    expect(config.push?.tokens?.file).toBe(join(folder, 'tokens.json'))
    expect(config.push?.pingIntervalMs).toBe(300_000)
  })
})

describe('the environment', () => {
  it('reports every bad variable at once', () => {
    try {
      readEnvironment(
        { PORT: 'http', TIDEGATE_API_TOKEN: 'short', TIDEGATE_ADMIN_EMAIL: 'ana@example.com' },
        folder,
      )
      expect.unreachable()
    } catch (error) {
      expect(error).toBeInstanceOf(AppError)
      const message = error instanceof Error ? error.message : ''
      expect(message).toContain('PORT')
      expect(message).toContain('TIDEGATE_API_TOKEN  has 5 characters; it needs at least 32')
      expect(message).toContain('TIDEGATE_ADMIN_PASSWORD  is missing')
    }
  })

  it('falls back to the demo only where no configuration is named or lies there', () => {
    expect(readEnvironment({}, folder).configPath).toBeNull()
    expect(readEnvironment({ TIDEGATE_CONFIG: 'gone.yaml' }, folder).configPath).toBe(
      join(folder, 'gone.yaml'),
    )
  })
})
