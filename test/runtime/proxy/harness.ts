import http from 'node:http'
import net, { type AddressInfo, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { expect, onTestFinished } from 'vitest'
import { EVENT_DATA, type EventData, type EventType } from '../../../server/contract/events.ts'
import { type ProxyConfig, proxyConfigSchema } from '../../../server/contract/node-config.ts'
import type { ActionOf } from '../../../server/contract/route-action.ts'
import type { RouteConfig } from '../../../server/contract/route-config.ts'
import { createLog } from '../../../server/observe/log.ts'
import type { ProxyPart as RunningProxy } from '../../../server/runtime/part/node-parts.ts'
import type { PartContext } from '../../../server/runtime/part/part.ts'
import { createProxy, type ProxyOptions } from '../../../server/runtime/proxy/proxy.ts'

export interface Seen {
  type: EventType
  data: Record<string, unknown>
}

/** Waits until `check` holds; the test's own timeout is the limit. */
export const until = async (check: () => boolean, what = 'the condition'): Promise<void> => {
  const giveUpAt = performance.now() + 30_000
  while (!check()) {
    if (performance.now() > giveUpAt) throw new Error(`${what} did not come true within 30 s`)
    await sleep(2)
  }
}

/** `accepted − closed = active`, and `closed` is the sum over reasons. */
export const expectLaw = (proxy: RunningProxy): void => {
  const { connections, closedBy } = proxy.stats()
  expect(connections.accepted - connections.closed).toBe(connections.active)
  expect(Object.values(closedBy).reduce((sum, count) => sum + count, 0)).toBe(connections.closed)
  expect(proxy.connections({ limit: 0 }).total).toBe(connections.active)
}

type Input = Omit<Partial<ProxyConfig>, 'routes' | 'health'> & {
  routes: RouteConfig[]
  health?: { port: number; paths?: string[] }
}

/** A started proxy on loopback that checks its own law at every event and is destroyed with the test. */
export const startProxy = async (
  input: Input,
  options: ProxyOptions = {},
): Promise<{ proxy: RunningProxy; events: Seen[]; port: (part?: string) => number }> => {
  const events: Seen[] = []
  const context: PartContext = {
    node: 'fra-1',
    region: 'fra',
    log: createLog('test', 'silent'),
    emit<T extends EventType>(type: T, data: EventData<T>) {
      EVENT_DATA[type].parse(data)
      events.push({ type, data: data as Record<string, unknown> })
      const { accepted, closed, active } = proxy.stats().connections
      if (accepted - closed !== active) throw new Error(`the law broke at ${type}`)
    },
  }
  const proxy: RunningProxy = createProxy(
    proxyConfigSchema.parse({ host: '127.0.0.1', ...input }),
    context,
    options,
  )
  await proxy.start()
  onTestFinished(() => proxy.destroy())
  return {
    proxy,
    events,
    port: (name) =>
      proxy.listeners().find((l) => name === undefined || l.part === name || l.routes?.includes(name))!.port,
  }
}

export const tcpRoute = (targetPorts: number | number[], extra: Partial<RouteConfig> = {}): RouteConfig => ({
  name: 'tcp',
  match: { ports: 0 },
  action: { type: 'forward', targets: [targetPorts].flat().map((port) => ({ host: '127.0.0.1', port })) },
  ...extra,
})

/** What a route that forwards does. */
export const forward = ({ action }: RouteConfig): ActionOf<'forward'> => {
  if (action.type !== 'forward') throw new Error(`it is of type ${action.type}`)
  return action
}

export const httpRoute = (
  targetPort: number,
  match: Partial<RouteConfig['match']> = {},
  name = 'web',
): RouteConfig => ({
  name,
  match: { ports: 0, ...match },
  action: { type: 'forward', protocol: 'http', targets: [{ host: '127.0.0.1', port: targetPort }] },
})

const listen = async (server: net.Server): Promise<number> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

export interface TcpTarget {
  port: number
  sockets: Socket[]
  /** Everything that arrived, over all sockets. */
  received: () => Buffer
  stop: () => Promise<void>
}

/** A raw TCP target; `handle` is called per connection. */
export const tcpTarget = async (
  handle: (socket: Socket, index: number) => void = () => undefined,
): Promise<TcpTarget> => {
  const sockets: Socket[] = []
  const chunks: Buffer[] = []
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    handle(socket, sockets.length - 1)
  })
  const port = await listen(server)
  const stop = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy()
    if (server.listening) await new Promise((resolve) => server.close(resolve))
  }
  onTestFinished(stop)
  return { port, sockets, received: () => Buffer.concat(chunks), stop }
}

export const httpTarget = async (
  handle: http.RequestListener,
): Promise<{ port: number; server: http.Server }> => {
  const server = http.createServer(handle)
  const port = await listen(server)
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { port, server }
}

/** A raw client that keeps what it hears. */
export class RawClient {
  readonly socket: Socket
  private readonly chunks: Buffer[] = []
  ended = false
  closed = false
  error: NodeJS.ErrnoException | null = null

  /** @param localAddress from which it comes; default: 127.0.0.1 */
  constructor(port: number, localAddress = '127.0.0.1') {
    this.socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true, localAddress })
    this.socket.on('data', (chunk: Buffer) => this.chunks.push(chunk))
    this.socket.on('end', () => {
      this.ended = true
    })
    this.socket.on('close', () => {
      this.closed = true
    })
    this.socket.on('error', (error) => {
      this.error = error
    })
    onTestFinished(() => {
      this.socket.destroy()
    })
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks)
  }

  get text(): string {
    return this.bytes.toString('latin1')
  }

  async over(): Promise<void> {
    await until(() => this.ended || this.closed, 'the end of the connection')
  }
}

/** A port on which nothing listens. */
export const deadPort = async (): Promise<number> => {
  const server = net.createServer()
  const port = await listen(server)
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** A port whose accept queue is full, so that a further connect gets no answer: a listener that never accepts. */
export const silentPort = async (): Promise<number> => {
  const worker = new Worker(
    `const net = require('node:net'); const { parentPort } = require('node:worker_threads')
     const server = net.createServer()
     server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
       parentPort.postMessage(server.address().port)
       setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 15000))
     })`,
    { eval: true },
  )
  onTestFinished(async () => {
    await worker.terminate()
  })
  const port = await new Promise<number>((resolve) => worker.once('message', resolve))
  const fillers = Array.from({ length: 4 }, () => net.connect({ port, host: '127.0.0.1' }))
  onTestFinished(() => {
    for (const filler of fillers) filler.destroy()
  })
  for (const filler of fillers) filler.on('error', () => undefined)
  await until(() => fillers.filter((filler) => !filler.connecting).length >= 2, 'a full accept queue')
  return port
}
