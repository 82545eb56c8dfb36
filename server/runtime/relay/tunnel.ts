import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import { z } from 'zod'
import { CLOSE } from '../../contract/close-codes.ts'
import type { NodeTunnel } from '../../contract/node-api.ts'
import type { Log } from '../../observe/log.ts'
import { clipReason } from '../tunnel/close-reason.ts'
import { faultCode } from '../tunnel/socket-fault.ts'
import { StreamSet } from '../tunnel/tunnel-streams.ts'

/** What only the host knows of how it came here. */
export interface HostReport {
  gapMs: number | null
  previousNode: string | null
  previousCloseCode: number | null
  attempt: number | null
}

const reportSchema = z.object({
  type: z.literal('report'),
  gapMs: z.number().finite().nonnegative().nullish(),
  previousNode: z.string().max(63).nullish(),
  previousCloseCode: z.number().int().min(1000).max(4999).nullish(),
  attempt: z.number().int().nonnegative().nullish(),
})

/** The host is registered elsewhere now, which a relay that shares no directory with the other could not know. */
const movedSchema = z.object({ type: z.literal('moved'), node: z.string().max(63).nullish() })

/** The host is stopping: it finishes what it has and wants no more. */
const drainSchema = z.object({ type: z.literal('drain') })

/** No control message is longer; a longer one is not read. */
const MAX_TEXT_BYTES = 16 * 1024

const NO_REPORT: HostReport = { gapMs: null, previousNode: null, previousCloseCode: null, attempt: null }

/** Pings without an answer before the tunnel counts as lost. */
const MAX_MISSED_PINGS = 3

export interface TunnelOptions {
  hostId: string
  log: Log
  fence: number
  ws: WebSocket
  socket: Socket
  remoteAddress: string
  pingIntervalMs: number
  /** How long to wait for the host's report before the registration is reported without one. */
  reportWaitMs: number
  /** How long a closed socket may linger before it is cut. */
  closeGraceMs: number
  /** Called once, with the report or without, always before `onLost`. */
  onRegistered(tunnel: Tunnel, report: HostReport): void
  /** Called once: the host was told to leave and says that it is registered elsewhere. */
  onSaysMoved(): void
  /** Called once: the host is stopping and takes no new request. */
  onSaysLeaving(tunnel: Tunnel): void
  /** Called once, at the moment when the tunnel stops serving (not when its socket has closed). */
  onLost(tunnel: Tunnel, code: number, reason: string, heldMs: number): void
}

/** One registered tunnel, seen from its relay. */
export class Tunnel {
  readonly hostId: string
  fence: number
  readonly since = new Date()
  readonly streams: StreamSet
  /** When the host was told to leave, on the monotonic clock; null again where that drain was called off. */
  toldAtMs: number | null = null
  /** When it was last told, whatever became of that drain: a tunnel elsewhere is then what was asked for. */
  lastToldMs: number | null = null
  /** The node at which the directory has the host now. New requests go there; this tunnel finishes what it has. */
  movedTo: string | null = null
  movedAtMs = 0
  /** The node at which the host says that it is registered now. */
  saysMovedTo: string | null = null
  /** The host said that it is stopping: no new request is given to it. */
  saysLeaving = false
  lastPongAt: Date | null = null
  /** The directory's entry is gone already (a drain removes a slice's entries in one call); no new request is given to it. */
  entryRemoved = false
  /** The close code that ended it. */
  endCode: number | null = null
  /** A pong has come since the directory was refreshed last. */
  fresh = true
  readonly #options: TunnelOptions
  readonly #startedMs = performance.now()
  readonly #pinger: NodeJS.Timeout | null
  #reportTimer: NodeJS.Timeout | null
  #report: HostReport | null = null
  #missed = 0
  #lost = false
  /** Resolves when the socket is closed. */
  readonly closed: Promise<void>

  constructor(options: TunnelOptions) {
    this.#options = options
    this.hostId = options.hostId
    this.fence = options.fence
    const { ws } = options
    this.streams = new StreamSet({
      ws,
      socket: options.socket,
      violated: (what) => this.retire(CLOSE.bad_request, `The host sent ${what}`),
      failed: (error) =>
        options.log.error({ err: error, hostId: options.hostId }, 'an exchange with a host failed'),
    })
    ws.on('message', (data, isBinary) => {
      this.#missed = 0
      if (isBinary) this.streams.receive(data)
      else if ((data as Buffer).length <= MAX_TEXT_BYTES) this.#readText(data.toString())
    })
    ws.on('pong', () => {
      this.#missed = 0
      this.fresh = true
      this.lastPongAt = new Date()
    })
    ws.on('error', (error: Error & { code?: string }) => {
      // `ws` has already sent this code and would report 1006 when the socket has closed.
      const code = faultCode(error)
      if (code !== null) this.retire(code, `The host broke the protocol: ${error.message}`)
    })
    this.closed = new Promise((resolve) => {
      ws.on('close', (code, reason) => {
        this.#lose(code, reason.toString('utf8'))
        resolve()
      })
    })
    // An interval of 0 turns pings off.
    this.#pinger = options.pingIntervalMs > 0 ? setInterval(() => this.#ping(), options.pingIntervalMs) : null
    this.#reportTimer = setTimeout(() => this.#tell(NO_REPORT), options.reportWaitMs)
  }

  get lost(): boolean {
    return this.#lost
  }

  get wasTold(): boolean {
    return this.lastToldMs !== null
  }

  row(): NodeTunnel {
    return {
      hostId: this.hostId,
      since: this.since.toISOString(),
      remoteAddress: this.#options.remoteAddress,
      lastPongAt: this.lastPongAt?.toISOString() ?? null,
      pending: this.streams.size,
      fence: this.fence,
      gapMs: this.#report?.gapMs ?? null,
    }
  }

  sendText(message: Record<string, unknown>): void {
    const { ws } = this.#options
    if (ws.readyState === ws.OPEN) ws.send(JSON.stringify(message))
  }

  /** Tells the host to leave, once in each drain; what runs here goes on until the tunnel is closed. */
  sendDrain(): void {
    if (this.toldAtMs !== null) return
    this.toldAtMs = performance.now()
    this.lastToldMs = this.toldAtMs
    this.sendText({ type: 'drain' })
  }

  /** Stops serving at once: pending requests settle, the event leaves, the close frame is sent, the socket is cut if it lingers. */
  retire(code: number, reason: string): void {
    const { ws, closeGraceMs } = this.#options
    if (this.#lost) return
    const clipped = clipReason(reason)
    this.#lose(code, clipped)
    ws.close(code, clipped)
    const cut = setTimeout(() => ws.terminate(), closeGraceMs)
    ws.once('close', () => clearTimeout(cut))
  }

  terminate(): void {
    this.#options.ws.terminate()
  }

  #ping(): void {
    if (this.#missed >= MAX_MISSED_PINGS) {
      this.retire(CLOSE.going_away, `Ping timeout: ${MAX_MISSED_PINGS} pings were not answered`)
      return
    }
    this.#missed += 1
    const { ws } = this.#options
    if (ws.readyState === ws.OPEN) ws.ping()
  }

  #readText(text: string): void {
    if (this.#lost) return
    let message: unknown
    try {
      message = JSON.parse(text)
    } catch {
      // Not for us: what cannot be read is ignored, like unknown types, so that hosts may be newer than relays.
      return
    }
    const moved = movedSchema.safeParse(message)
    if (moved.success && this.wasTold && this.saysMovedTo === null) {
      this.saysMovedTo = moved.data.node ?? 'unknown'
      this.#options.onSaysMoved()
    }
    if (!this.saysLeaving && drainSchema.safeParse(message).success) {
      this.saysLeaving = true
      this.#options.onSaysLeaving(this)
    }
    const parsed = reportSchema.safeParse(message)
    if (!parsed.success) return
    const { gapMs = null, previousNode = null, previousCloseCode = null, attempt = null } = parsed.data
    this.#tell({ gapMs, previousNode, previousCloseCode, attempt })
  }

  #tell(report: HostReport): void {
    if (this.#report !== null) return
    this.#report = report
    if (this.#reportTimer) clearTimeout(this.#reportTimer)
    this.#reportTimer = null
    this.#options.onRegistered(this, report)
  }

  #lose(code: number, reason: string): void {
    if (this.#lost) return
    this.#tell(NO_REPORT)
    this.#lost = true
    this.endCode = code
    if (this.#pinger) clearInterval(this.#pinger)
    this.#options.onLost(this, code, reason, Math.round(performance.now() - this.#startedMs))
    this.streams.destroy(reason === '' ? `The tunnel closed with ${code}` : reason)
  }
}
