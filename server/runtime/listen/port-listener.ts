import { createServer, type Server, type Socket } from 'node:net'
import type { ProxyConfig } from '../../contract/node-config.ts'
import type { PartContext } from '../node/part.ts'
import { type CompiledRoute, compileRoutes, type PortPlan } from '../proxy/routes/compile.ts'
import type { Adopt } from '../proxy/targets/dialler.ts'
import { listen } from './listen.ts'

const ACCEPT_LOG_EVERY_MS = 10_000

/** One public port and what it does at present. Rebinding after a drain keeps the actual port. */
export class PortListener {
  readonly key: string
  plan: PortPlan
  tcp: CompiledRoute | null = null
  http: CompiledRoute[] = []
  /** True once no route wants this port any more: its HTTP connections may finish what they have. */
  retired = false
  /** Actual port; the configured one until bound. */
  port: number
  acceptErrors = 0
  private server: Server | null = null
  private loggedAt = Number.NEGATIVE_INFINITY
  private readonly config: ProxyConfig
  private readonly context: PartContext
  private readonly accept: (socket: Socket, listener: PortListener) => void

  constructor(
    plan: PortPlan,
    config: ProxyConfig,
    context: PartContext,
    accept: (socket: Socket, listener: PortListener) => void,
  ) {
    this.key = plan.key
    this.plan = plan
    this.port = plan.port
    this.config = config
    this.context = context
    this.accept = accept
  }

  get bound(): boolean {
    return this.server !== null
  }

  /** Throws ERR_PORT_TAKEN. */
  async bind(): Promise<void> {
    if (this.server) return
    const server = createServer({
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: this.config.tcpKeepAliveMs > 0,
      keepAliveInitialDelay: this.config.tcpKeepAliveMs,
    })
    server.on('connection', (socket) => this.accept(socket, this))
    this.port = await listen(server, this.config.host, this.port)
    // EMFILE, ECONNABORTED and the like concern one connection, never the listener.
    server.on('error', (error: NodeJS.ErrnoException) => {
      this.acceptErrors += 1
      const now = performance.now()
      if (now - this.loggedAt < ACCEPT_LOG_EVERY_MS) return
      this.loggedAt = now
      this.context.log.warn(
        { port: this.port, code: error.code, count: this.acceptErrors },
        'a connection could not be accepted',
      )
    })
    this.server = server
  }

  /** Stops listening in this tick; accepted connections go on. */
  unbind(): void {
    this.server?.close()
    this.server = null
  }

  /** Swaps what this port does. Connections that stand keep their targets; the next ones, and next requests, see this. */
  adopt(plan: PortPlan, adopt: Adopt): void {
    const { tcp, http } = compileRoutes(plan, this.port, adopt)
    this.plan = plan
    this.tcp = tcp
    this.http = http
  }

  routeNames(): string[] {
    return this.tcp ? [this.tcp.name] : this.plan.http.map((route) => route.name)
  }
}
