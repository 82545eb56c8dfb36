import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

const fixture = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../../fixtures/envoy/${name}.json`, import.meta.url), 'utf8'))

interface Stat {
  name: string
  value: number
}

/**
 * A server that behaves as Envoy's administration interface is documented: what changes something has to be posted, failing the health
 * check is seen in the state, and statistics are filtered by their names.
 */
export const startEnvoyAdmin = async () => {
  const sockets = new Set<Socket>()
  const calls: string[] = []
  const info = fixture('server-info') as Record<string, unknown> & { command_line_options: object }
  const answers: Record<string, RequestListener> = {}
  let isFailing = false
  const admin = {
    url: '',
    info,
    stats: (fixture('stats') as { stats: Stat[] }).stats,
    clusters: fixture('clusters') as unknown,
    /** Answers of its own, by path. */
    answers,
    /** `METHOD /path` of all that was asked, without queries. */
    calls,
    get state() {
      return isFailing ? 'DRAINING' : 'LIVE'
    },
    set(name: string, value: number) {
      const stat = admin.stats.find((each) => each.name === name)
      if (stat === undefined) admin.stats.push({ name, value })
      else stat.value = value
    },
    /** Nobody is connected, but for those who look. */
    empty() {
      for (const stat of admin.stats)
        if (/^(?:listener|http)\.(?!admin).*_active$/.test(stat.name ?? '')) stat.value = 0
    },
    /** Another process at the same address. */
    restart(epoch: number, uptime: string) {
      isFailing = false
      info.command_line_options = { ...info.command_line_options, restart_epoch: epoch }
      info.uptime_current_epoch = uptime
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      if (!server.listening) return
      server.close()
      await once(server, 'close')
    },
  }
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://admin')
    calls.push(`${request.method} ${url.pathname}`)
    const own = answers[url.pathname]
    if (own !== undefined) return own(request, response)
    const json = (body: unknown) => {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(body, null, 1))
    }
    if (/^\/(?:healthcheck\/|drain_listeners)/.test(url.pathname)) {
      if (request.method !== 'POST') return response.writeHead(405).end('Method Not Allowed')
      if (url.pathname.startsWith('/healthcheck/')) isFailing = url.pathname === '/healthcheck/fail'
      return response.end('OK\n')
    }
    if (url.pathname === '/server_info') return json({ ...info, ...(isFailing ? { state: 'DRAINING' } : {}) })
    if (url.pathname === '/clusters') return json(admin.clusters)
    if (url.pathname === '/stats') {
      const filter = new RegExp(url.searchParams.get('filter') ?? '')
      return json({ stats: admin.stats.filter(({ name }) => name === undefined || filter.test(name)) })
    }
    response.writeHead(404).end('invalid path. admin commands are:\n')
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  admin.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return admin
}
