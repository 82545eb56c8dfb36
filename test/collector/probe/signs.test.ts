import { describe, expect, it } from 'vitest'
import { signsOf } from '../../../server/collector/probe/signs.ts'

const tidegate = {
  ok: true,
  state: 'serving',
  region: 'fra',
  node: 'fra-1',
  epoch: '01J',
  seq: 3,
  version: '1',
}

const TABLE: readonly (readonly [what: string, text: string, path: string, kind: string, preset?: string])[] =
  [
    ['a Tidegate node', JSON.stringify(tidegate), '/health', 'tidegate'],
    [
      'Envoy',
      JSON.stringify({ version: 'abc/1.31', state: 'LIVE', uptime_current_epoch: '3s' }),
      '/server_info',
      'envoy',
    ],
    ['Caddy', '[{"address":"10.0.0.1:80","num_requests":0,"fails":0}]', '/reverse_proxy/upstreams', 'caddy'],
    ['a Caddy without upstreams', 'null', '/reverse_proxy/upstreams', 'caddy'],
    ['nginx', 'Active connections: 2 \nserver accepts handled requests\n 9 9 12 \n', '/stub_status', 'nginx'],
    ['an exporter', '# HELP up x\n# TYPE up gauge\nup 1\n', '/metrics', 'prometheus'],
    [
      'cloudflared',
      '# TYPE cloudflared_tunnel_total_requests counter\ncloudflared_tunnel_total_requests 1\n',
      '/metrics',
      'prometheus',
      'cloudflared',
    ],
    ['Traefik', 'traefik_open_connections{entrypoint="web"} 1\n', '/metrics', 'prometheus', 'traefik'],
    [
      'a push gateway',
      JSON.stringify({ ok: true, apns: { received: 1 } }),
      '/health',
      'json',
      'push-gateway',
    ],
    ['a relay', JSON.stringify({ ok: true, region: 'fra' }), '/health', 'json', 'relay'],
    ['any JSON', JSON.stringify({ status: 'fine', open: 3 }), '/status', 'json'],
    ['a web page', '<!doctype html><title>Hello</title>', '/', 'http'],
    ['a word and a number', 'ok 8080', '/', 'http'],
    ['a text with a number in it', 'hello\nvisitors 3\nbye\nsee you', '/', 'http'],
    ['series of no program, without comments', 'jobs_done 3\n', '/metrics', 'prometheus'],
    ['series by their labels', 'up{job="a"} 1 1700000000000\n', '/metrics', 'prometheus'],
    ['an empty answer', '', '/', 'http'],
    ['a list that is not Caddy’s', '[1,2,3]', '/list', 'http'],
  ]

describe('An answer is recognised', () => {
  it.each(TABLE)('as that of %s', (_what, text, path, kind, preset) => {
    const [first] = signsOf(text ?? '', path ?? '')
    expect({ kind: first?.kind, preset: first?.preset }).toEqual({ kind, preset })
    expect(first?.why).toMatch(/^it answers/)
  })

  it('as stub_status alone, though one of its lines has a word and a number', () => {
    const text =
      'Active connections: 2 \nserver accepts handled requests\n 9 9 12 \nReading: 0 Writing: 1 Waiting: 1 \n'
    expect(signsOf(text, '/stub_status').map(({ kind }) => kind)).toEqual(['nginx'])
  })

  it('as nothing more than a page where it is nested too deep', () => {
    expect(signsOf(`${'{"a":'.repeat(50)}1${'}'.repeat(50)}`, '/').map(({ kind }) => kind)).toEqual(['http'])
  })

  it('as a page, never as series, where a web page shows some', () => {
    expect(signsOf('<pre>\nup 1\n</pre>', '/').map(({ kind }) => kind)).toEqual(['http'])
  })
})
