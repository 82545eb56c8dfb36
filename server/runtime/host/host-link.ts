import type { Socket } from 'node:net'
import { WebSocket } from 'ws'
import { z } from 'zod'
import { CLOSE } from '../../contract/close-codes.ts'
import type { Log } from '../../observe/log.ts'
import { clipReason } from '../tunnel/close-reason.ts'
import { MAX_MESSAGE_BYTES, SUBPROTOCOL } from '../tunnel/frames.ts'
import { answerPings, faultCode } from '../tunnel/socket-fault.ts'
import { StreamSet } from '../tunnel/tunnel-streams.ts'
import type { HostTarget } from './host-target.ts'
import type { HostTimings } from './host-timings.ts'

const registeredSchema = z.object({
  type: z.literal('registered'),
  protocol: z.number().int().optional(),
  node: z.string().max(256).nullish(),
  region: z.string().max(256).nullish(),
  fence: z.number().nullish(),
  pingIntervalMs: z.number().nullish(),
})

export interface Registered {
  node: string | null
  region: string | null
  fence: number | null
}

const DEFAULT_PING_INTERVAL_MS = 30_000
const MIN_PING_INTERVAL_MS = 10
const MAX_MISSED_PINGS = 3
const MIN_BETWEEN_DRAINS_MS = 10_000

export interface HostLinkOptions {
  relay: string
  url: string
  token: string | (() => Promise<string>)
  target: HostTarget
  timings: HostTimings
  now: () => number
  log: Log
  onRegistered(link: HostLink, registered: Registered): void
  onDrain(link: HostLink): void
  /** Called once, whatever ended the link; nothing that the socket does later matters. */
  onEnded(link: HostLink, code: number, reason: string): void
}

/** One attempt to hold a tunnel, from the token to the end of its socket. */
export class HostLink {
  readonly relay: string
  registered: Registered | null = null
  registeredAtMs = 0
  /** The relay has announced a drain. */
  draining = false
  /** When a successor registered, or something last ran here after that; this link only finishes what it has. */
  retiredAtMs: number | null = null
  readonly #options: HostLinkOptions
  #ws: WebSocket | null = null
  #streams: StreamSet | null = null
  #connectTimer: NodeJS.Timeout | null
  #pinger: NodeJS.Timeout | null = null
  #missed = 0
  #heardAtMs: number
  #closingSinceMs: number | null = null
  #lastError = ''
  /** What the relay did wrong, as the close code that it was sent. */
  #fault: number | null = null
  #ended = false
  #toldToLeaveAtMs = Number.NEGATIVE_INFINITY

  constructor(options: HostLinkOptions) {
    this.#options = options
    this.relay = options.relay
    this.#heardAtMs = options.now()
    const { connectTimeoutMs } = options.timings
    // Covers everything that may never answer: the token provider, DNS, the handshake, the registration.
    this.#connectTimer = setTimeout(
      () => this.fail(CLOSE.connect_timeout, `Not registered within ${connectTimeoutMs / 1000} s`),
      connectTimeoutMs,
    )
    this.#dial().catch((error: unknown) => {
      this.fail(CLOSE.abnormal, error instanceof Error ? error.message : String(error))
    })
  }

  get ended(): boolean {
    return this.#ended
  }

  get pending(): number {
    return this.#streams?.size ?? 0
  }

  sendText(message: Record<string, unknown>): void {
    if (this.#ws?.readyState === WebSocket.OPEN) this.#ws.send(JSON.stringify(message))
  }

  /** Ends the link now, with our own code; the socket gets the time of a close handshake, but nobody waits for it. */
  fail(code: number, reason: string): void {
    if (this.#ended) return
    const ws = this.#ws
    this.#end(code, reason)
    if (!ws) return
    if (ws.readyState === WebSocket.OPEN) {
      ws.close(code, clipReason(reason))
      const cut = setTimeout(() => ws.terminate(), this.#options.timings.stuckClosingMs)
      cut.unref()
      ws.once('close', () => clearTimeout(cut))
    } else ws.terminate()
  }

  /**
   * Tells the relay that this host takes no new request. Resolves when the relay has read it, so that every request that it sent
   * before has arrived; or after `ms`.
   */
  async leave(ms: number): Promise<void> {
    const ws = this.#ws
    if (!this.registered || ws?.readyState !== WebSocket.OPEN) return
    this.sendText({ type: 'drain' })
    await new Promise<void>((resolve) => {
      const settle = (): void => {
        clearTimeout(timer)
        ws.off('pong', settle)
        ws.off('close', settle)
        resolve()
      }
      const timer = setTimeout(settle, ms)
      ws.once('pong', settle)
      ws.once('close', settle)
      ws.ping()
    })
  }

  /** Ends the tunnel on purpose and resolves when its socket is closed, after `graceMs` at the latest. */
  async close(code: number, reason: string, graceMs = 2_000): Promise<void> {
    const ws = this.#ws
    this.fail(code, reason)
    if (!ws || ws.readyState === WebSocket.CLOSED) return
    await new Promise<void>((resolve) => {
      const cut = setTimeout(() => ws.terminate(), graceMs)
      ws.once('close', () => {
        clearTimeout(cut)
        resolve()
      })
    })
  }

  /** The watchdog's look: a link that is silent, or does not end its closing, fails here. */
  check(): void {
    const { timings, now } = this.#options
    if (this.#ended) return
    if (this.#ws?.readyState === WebSocket.CLOSING) {
      this.#closingSinceMs ??= now()
      if (now() - this.#closingSinceMs >= timings.stuckClosingMs)
        this.fail(CLOSE.host_watchdog, 'The socket was stuck closing')
      return
    }
    if (this.registered && now() - this.#heardAtMs > timings.watchdogMs) {
      this.fail(
        CLOSE.host_watchdog,
        `Nothing was heard for ${Math.round((now() - this.#heardAtMs) / 1000)} s`,
      )
    }
  }

  async #dial(): Promise<void> {
    const { token: source, url, timings, target } = this.#options
    const token = typeof source === 'string' ? source : await source()
    if (this.#ended) return
    const options = {
      headers: { authorization: `Bearer ${token}` },
      perMessageDeflate: false,
      autoPong: false,
      maxPayload: MAX_MESSAGE_BYTES,
      followRedirects: false,
      // Known to ws 8.19 and later, not yet to its types.
      closeTimeout: timings.stuckClosingMs,
    }
    const ws = new WebSocket(url, [SUBPROTOCOL], options)
    this.#ws = ws
    ws.on('error', (error: Error & { code?: string }) => {
      this.#lastError = error.message
      this.#fault ??= faultCode(error)
      this.#options.log.debug({ err: error }, 'the tunnel socket failed')
    })
    ws.on('unexpected-response', (_request, answer) => {
      answer.destroy()
      this.fail(CLOSE.abnormal, `The relay answered the upgrade with HTTP ${answer.statusCode}`)
    })
    ws.on('upgrade', (answer) => {
      answerPings(ws, answer.socket as Socket)
      this.#streams = new StreamSet({
        ws,
        socket: answer.socket as Socket,
        accept: (stream, head, hasBody) => target.accept(stream, head, hasBody),
        violated: (what) => this.fail(CLOSE.bad_request, `The relay sent ${what}`),
        failed: (error) => this.#options.log.error({ err: error }, 'an exchange with the relay failed'),
      })
    })
    ws.on('ping', () => this.#heard())
    ws.on('pong', () => this.#heard())
    ws.on('message', (data, isBinary) => {
      this.#heard()
      if (isBinary) this.#streams?.receive(data)
      else this.#readText(data.toString())
    })
    ws.on('close', (code, reason) => {
      const text = reason.toString('utf8')
      this.#end(this.#fault ?? code, text === '' ? this.#lastError : text)
    })
  }

  #heard(): void {
    this.#missed = 0
    this.#heardAtMs = this.#options.now()
  }

  #readText(text: string): void {
    if (this.#ended) return
    let message: unknown
    try {
      message = JSON.parse(text)
    } catch {
      // What cannot be read is ignored, like unknown types: relays may be newer than hosts.
      return
    }
    if ((message as { type?: unknown } | null)?.type === 'drain') {
      // Sent again where an earlier drain was called off and another began; from a relay that sends it all the time it is taken only now
      // and then.
      const agoMs = this.#options.now() - this.#toldToLeaveAtMs
      if (this.registered && agoMs >= MIN_BETWEEN_DRAINS_MS) {
        this.draining = true
        this.#toldToLeaveAtMs = this.#options.now()
        this.#options.onDrain(this)
      }
      return
    }
    const parsed = registeredSchema.safeParse(message)
    if (!parsed.success || this.registered) return
    if (this.#connectTimer) clearTimeout(this.#connectTimer)
    this.#connectTimer = null
    const { node = null, region = null, fence = null, pingIntervalMs } = parsed.data
    this.registered = { node, region, fence }
    this.registeredAtMs = this.#options.now()
    const every = Math.max(MIN_PING_INTERVAL_MS, Math.min(pingIntervalMs || DEFAULT_PING_INTERVAL_MS, 60_000))
    this.#pinger = setInterval(() => this.#ping(), every)
    this.#options.onRegistered(this, this.registered)
  }

  #ping(): void {
    if (this.#missed >= MAX_MISSED_PINGS) {
      this.fail(CLOSE.going_away, `Ping timeout: ${MAX_MISSED_PINGS} pings were not answered`)
      return
    }
    this.#missed += 1
    if (this.#ws?.readyState === WebSocket.OPEN) this.#ws.ping()
  }

  #end(code: number, reason: string): void {
    if (this.#ended) return
    this.#ended = true
    if (this.#connectTimer) clearTimeout(this.#connectTimer)
    if (this.#pinger) clearInterval(this.#pinger)
    this.#streams?.destroy('The tunnel is gone')
    this.#options.onEnded(this, code, reason)
  }
}
