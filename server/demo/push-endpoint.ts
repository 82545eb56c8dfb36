import { once } from 'node:events'
import {
  createSecureServer,
  type Http2SecureServer,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'

export interface PushEndpointOptions {
  key: string
  cert: string
  /** Share of pushes answered 410 Unregistered, and the same share 400 BadDeviceToken. */
  rejectedShare?: number
  /** A session gets GOAWAY after a time between this and twice this. */
  goawayEveryMs?: number
  random?: () => number
}

/** A session is up and has asked for something by then. */
const OWED_GOAWAY_MS = 200
const REJECTED_SHARE = 0.005
const GOAWAY_EVERY_MS = 60_000
/** A session that has not finished this long after its GOAWAY is cut. */
const GOAWAY_GRACE_MS = 5_000
const ANSWER_MS = [2, 12] as const

/**
 * A stand-in for APNs on loopback: HTTP/2 over TLS, a rejection now and then, a graceful GOAWAY every minute or two, and the
 * fault of the six silent hours on demand.
 */
export class PushEndpoint {
  readonly #random: () => number
  readonly #rejectedShare: number
  readonly #goawayEveryMs: number
  readonly #server: Http2SecureServer
  readonly #sessions = new Set<ServerHttp2Session>()
  readonly #sockets = new Set<Socket>()
  readonly #timers = new Set<NodeJS.Timeout>()
  #isStuck = false
  /** No session stood when it began to be stuck: the next one gets the GOAWAY that the scenario is about. */
  #owesGoaway = false

  private constructor(options: PushEndpointOptions) {
    this.#random = options.random ?? Math.random
    this.#rejectedShare = options.rejectedShare ?? REJECTED_SHARE
    this.#goawayEveryMs = options.goawayEveryMs ?? GOAWAY_EVERY_MS
    this.#server = createSecureServer({ key: options.key, cert: options.cert })
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.on('error', () => socket.destroy()) // a node that was killed
      socket.on('close', () => this.#sockets.delete(socket))
    })
    this.#server.on('session', (session) => this.#serve(session))
    this.#server.on('stream', (stream: ServerHttp2Stream, headers) =>
      this.#answer(stream, headers['apns-id']),
    )
  }

  /** Listens on a free port of this machine. Rejects where that cannot be. */
  static async start(options: PushEndpointOptions): Promise<PushEndpoint> {
    const endpoint = new PushEndpoint(options)
    const server = endpoint.#server
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    server.on('error', () => undefined) // a listener that failed later has no more connections; its node shows that
    return endpoint
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /**
   * On: every session gets GOAWAY; new ones are accepted, SETTINGS and PING answered, and no stream is. Off: streams that come
   * from now on are answered.
   */
  setStuck(on: boolean): void {
    if (this.#isStuck === on) return
    this.#isStuck = on
    this.#owesGoaway = on && this.#sessions.size === 0
    if (on) for (const session of this.#sessions) this.#sendAway(session)
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #serve(session: ServerHttp2Session): void {
    this.#sessions.add(session)
    if (this.#isStuck && this.#owesGoaway) {
      this.#owesGoaway = false
      this.#after(OWED_GOAWAY_MS, () => this.#sendAway(session))
    }
    const goaway = this.#after(this.#goawayEveryMs * (1 + this.#random()), () => this.#sendAway(session))
    session.on('error', () => session.destroy())
    session.on('close', () => {
      this.#cancel(goaway)
      this.#sessions.delete(session)
    })
  }

  #answer(stream: ServerHttp2Stream, apnsId: string | string[] | undefined): void {
    stream.on('error', () => undefined) // reset by a client that waited long enough
    stream.resume()
    if (this.#isStuck) return
    const answer = (status: number, body?: object): void => {
      if (stream.destroyed || stream.closed) return
      stream.respond({ ':status': status, ...(typeof apnsId === 'string' ? { 'apns-id': apnsId } : {}) })
      stream.end(body === undefined ? undefined : JSON.stringify(body))
    }
    const lot = this.#random()
    this.#after(ANSWER_MS[0] + this.#random() * (ANSWER_MS[1] - ANSWER_MS[0]), () => {
      if (lot < this.#rejectedShare) answer(410, { reason: 'Unregistered', timestamp: Date.now() })
      else if (lot < 2 * this.#rejectedShare) answer(400, { reason: 'BadDeviceToken' })
      else answer(200)
    })
  }

  /** GOAWAY; streams in flight finish, then the session ends. */
  #sendAway(session: ServerHttp2Session): void {
    if (session.closed || session.destroyed) return
    session.close()
    const late = this.#after(GOAWAY_GRACE_MS, () => session.destroy())
    session.once('close', () => this.#cancel(late))
  }

  #after(ms: number, run: () => void): NodeJS.Timeout {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      run()
    }, ms)
    this.#timers.add(timer)
    return timer
  }

  #cancel(timer: NodeJS.Timeout): void {
    clearTimeout(timer)
    this.#timers.delete(timer)
  }
}
