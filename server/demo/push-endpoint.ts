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

/**
 * A stand-in for APNs on loopback: HTTP/2 over TLS, a rejection now and then, a graceful GOAWAY every minute or two, and the
 * fault of the six silent hours on demand.
 */
export interface PushEndpoint {
  readonly port: number
  /**
   * On: every session gets GOAWAY; new ones are accepted, SETTINGS and PING answered, and no stream is. Off: streams that come
   * from now on are answered.
   */
  setStuck(on: boolean): void
  close(): Promise<void>
}

/** A session is up and has asked for something by then. */
const OWED_GOAWAY_MS = 200
const REJECTED_SHARE = 0.005
const GOAWAY_EVERY_MS = 60_000
/** A session that has not finished this long after its GOAWAY is cut. */
const GOAWAY_GRACE_MS = 5_000
const ANSWER_MS = [2, 12] as const

export const startPushEndpoint = async (options: PushEndpointOptions): Promise<PushEndpoint> => {
  const random = options.random ?? Math.random
  const rejectedShare = options.rejectedShare ?? REJECTED_SHARE
  const goawayEveryMs = options.goawayEveryMs ?? GOAWAY_EVERY_MS
  const sessions = new Set<ServerHttp2Session>()
  const sockets = new Set<Socket>()
  const timers = new Set<NodeJS.Timeout>()
  let stuck = false
  /** No session stood when it began to be stuck: the next one gets the GOAWAY that the scenario is about. */
  let owesGoaway = false

  const after = (ms: number, run: () => void): NodeJS.Timeout => {
    const timer = setTimeout(() => {
      timers.delete(timer)
      run()
    }, ms)
    timers.add(timer)
    return timer
  }
  const cancel = (timer: NodeJS.Timeout): void => {
    clearTimeout(timer)
    timers.delete(timer)
  }

  /** GOAWAY; streams in flight finish, then the session ends. */
  const sendAway = (session: ServerHttp2Session): void => {
    if (session.closed || session.destroyed) return
    session.close()
    const late = after(GOAWAY_GRACE_MS, () => session.destroy())
    session.once('close', () => cancel(late))
  }

  const server: Http2SecureServer = createSecureServer({ key: options.key, cert: options.cert })
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy()) // a node that was killed
    socket.on('close', () => sockets.delete(socket))
  })
  server.on('session', (session) => {
    sessions.add(session)
    if (stuck && owesGoaway) {
      owesGoaway = false
      after(OWED_GOAWAY_MS, () => sendAway(session))
    }
    const goaway = after(goawayEveryMs * (1 + random()), () => sendAway(session))
    session.on('error', () => session.destroy())
    session.on('close', () => {
      cancel(goaway)
      sessions.delete(session)
    })
  })
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => undefined) // reset by a client that waited long enough
    stream.resume()
    if (stuck) return
    const apnsId = headers['apns-id']
    const answer = (status: number, body?: object): void => {
      if (stream.destroyed || stream.closed) return
      stream.respond({ ':status': status, ...(typeof apnsId === 'string' ? { 'apns-id': apnsId } : {}) })
      stream.end(body === undefined ? undefined : JSON.stringify(body))
    }
    const lot = random()
    after(ANSWER_MS[0] + random() * (ANSWER_MS[1] - ANSWER_MS[0]), () => {
      if (lot < rejectedShare) answer(410, { reason: 'Unregistered', timestamp: Date.now() })
      else if (lot < 2 * rejectedShare) answer(400, { reason: 'BadDeviceToken' })
      else answer(200)
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      server.off('error', reject)
      resolve()
    })
  })
  server.on('error', () => undefined) // a listener that failed later has no more connections; its node shows that

  return {
    port: (server.address() as AddressInfo).port,
    setStuck(on) {
      if (stuck === on) return
      stuck = on
      owesGoaway = on && sessions.size === 0
      if (on) for (const session of sessions) sendAway(session)
    },
    async close() {
      for (const timer of timers) clearTimeout(timer)
      timers.clear()
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
