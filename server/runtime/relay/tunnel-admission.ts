import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { type WebSocket, WebSocketServer } from 'ws'
import { CLOSE } from '../../contract/close-codes.ts'
import { HOST_ID_PATTERN } from '../../contract/ids.ts'
import type { RelayConfig } from '../../contract/node-config.ts'
import { Latch } from '../../time/latch.ts'
import { Rate } from '../../time/rate.ts'
import type { PartContext } from '../part/part.ts'
import { clipReason } from '../tunnel/close-reason.ts'
import { MAX_MESSAGE_BYTES, PROTOCOL_VERSIONS, SUBPROTOCOL } from '../tunnel/frames.ts'
import { answerPings } from '../tunnel/socket-fault.ts'
import type { DirectoryLink, Registration } from './directory-link.ts'
import { HostTokens } from './host-tokens.ts'
import type { RelayTimings } from './relay-timings.ts'

/** Refused sockets that may linger in their close handshake; beyond it they are cut at once. */
const MAX_REFUSED_SOCKETS = 1_000
/** Events of refusals a second; the counters stay exact. */
const MAX_REFUSAL_EVENTS_PER_SECOND = 50
const REGISTER_ATTEMPTS = 3

/** Why a tunnel is not taken: what the close frame says. */
export interface Refusal {
  /** Null where the handshake names no host. */
  hostId: string | null
  code: number
  reason: string
}

/** A tunnel that may be taken, with its registration in the directory. */
export interface Admitted {
  hostId: string
  fence: number
  /** Who owned the host before; null where nobody did. */
  previous: { node: string; fence: number } | null
  ws: WebSocket
  socket: Socket
}

export interface TunnelAdmissionOptions {
  config: RelayConfig
  context: PartContext
  timings: RelayTimings
  directory: DirectoryLink
  /** Why new tunnels are refused with 4001 at the moment, or null. */
  refusal(): string | null
  /** Tunnels that are registered here. */
  held: { readonly size: number; has(hostId: string): boolean }
  /** Takes the tunnel, or says why it does not. */
  take(admitted: Admitted): Refusal | null
}

const givenToken = (req: IncomingMessage): string | null => {
  const { authorization } = req.headers
  if (authorization !== undefined) {
    const bearer = /^Bearer +(\S+)$/i.exec(authorization)
    return bearer?.[1] ?? null
  }
  // Browsers cannot set headers on a WebSocket: there the token comes beside the subprotocol.
  const offered = (req.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())
  return offered.includes(SUBPROTOCOL) ? (offered.find((name) => name !== SUBPROTOCOL) ?? null) : null
}

/** Who may hold a tunnel here: from the handshake on `/tunnel` to the registration in the directory. */
export class TunnelAdmission {
  /** By close code. */
  readonly refused: Record<string, number> = {}
  readonly #options: TunnelAdmissionOptions
  readonly #tokens: HostTokens
  readonly #server: WebSocketServer
  readonly #refusedSockets = new Set<WebSocket>()
  readonly #registering = new Map<WebSocket, string>()
  readonly #registered = new Latch()
  readonly #events = new Rate({ perSecond: MAX_REFUSAL_EVENTS_PER_SECOND })

  constructor(options: TunnelAdmissionOptions) {
    this.#options = options
    this.#tokens = new HostTokens(options.config.tokens)
    const serverOptions = {
      noServer: true,
      clientTracking: false,
      autoPong: false,
      perMessageDeflate: false,
      maxPayload: MAX_MESSAGE_BYTES,
      maxFragments: 64,
      // Known to ws 8.19 and later, not yet to its types.
      closeTimeout: options.timings.closeGraceMs,
      handleProtocols: (offered: Set<string>): string | false =>
        offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false,
    }
    this.#server = new WebSocketServer(serverOptions)
  }

  /** A handshake on `/tunnel`. It is completed in any case: a refusal is a close frame that says why. */
  accept(req: IncomingMessage, socket: Socket, head: Buffer): void {
    const { log } = this.#options.context
    this.#server.handleUpgrade(req, socket, head, (ws) => {
      ws.on('error', (error) => log.debug({ err: error }, 'tunnel socket failed'))
      answerPings(ws, socket)
      this.#admit(ws, req, socket).catch((error: unknown) => {
        log.error({ err: error }, 'a tunnel could not be admitted')
        const reason = 'The relay failed to register this tunnel'
        this.#refuse(ws, { hostId: null, code: CLOSE.relay_failed, reason })
      })
    })
  }

  /** True while the directory is asked to register this host here. */
  isRegistering(hostId: string): boolean {
    return [...this.#registering.values()].includes(hostId)
  }

  /** Waits until `holds`, which is looked at whenever a registration has come to an end; `ms` at the longest. */
  async wait(holds: () => boolean, ms: number): Promise<void> {
    await this.#registered.wait(holds, AbortSignal.timeout(ms))
  }

  /** Refuses everything that is under way. */
  refuseAll(code: number, reason: string): void {
    for (const ws of this.#registering.keys()) this.#refuse(ws, { hostId: null, code, reason })
  }

  /** Cuts the sockets of those that were refused. */
  cut(): void {
    for (const ws of this.#refusedSockets) ws.terminate()
  }

  async #admit(ws: WebSocket, req: IncomingMessage, socket: Socket): Promise<void> {
    const { directory } = this.#options
    const asked = this.#read(req)
    if ('code' in asked) {
      this.#refuse(ws, asked)
      return
    }
    const { hostId } = asked
    const registration = await this.#register(hostId, ws)
    if (registration === null) {
      const reason = `The directory could not be reached in ${REGISTER_ATTEMPTS} tries`
      this.#refuse(ws, { hostId, code: CLOSE.relay_failed, reason })
      return
    }
    const { fence, previous } = registration
    const drained = this.#refusalAfterwards(hostId, previous)
    if (drained !== null || ws.readyState !== ws.OPEN) {
      directory.unregisterSoon(hostId, fence)
      if (drained !== null) this.#refuse(ws, { hostId, code: CLOSE.drain, reason: drained })
      return
    }
    const refusal = this.#options.take({ hostId, fence, previous, ws, socket })
    if (refusal !== null) this.#refuse(ws, refusal)
  }

  /** The host that a handshake is for, or why it is not taken: what it says, who it is, then whether there is room. */
  #read(req: IncomingMessage): { hostId: string } | Refusal {
    const { config, held } = this.#options
    const query = new URL(req.url ?? '/', 'http://relay.invalid').searchParams
    const ids = query.getAll('hostId')
    const hostId = ids[0] ?? ''
    if (ids.length !== 1 || !HOST_ID_PATTERN.test(hostId)) {
      const reason = 'hostId must be given once and match [a-z0-9-]{1,63}'
      return { hostId: null, code: CLOSE.bad_request, reason }
    }
    const versions = query.get('v')?.split(',')
    if (versions?.every((version) => !PROTOCOL_VERSIONS.includes(Number(version)))) {
      const known = PROTOCOL_VERSIONS.join(', ')
      const reason = `No common protocol version; this relay speaks ${known}`
      return { hostId, code: CLOSE.bad_request, reason }
    }
    switch (this.#tokens.check(hostId, givenToken(req))) {
      case 'unknown':
        return { hostId, code: CLOSE.not_authenticated, reason: 'No token, or one that is not known here' }
      case 'other_host':
        return {
          hostId,
          code: CLOSE.wrong_host,
          reason: `The token is another host's, not that of ${hostId}`,
        }
      case 'ok':
    }
    const drained = this.#options.refusal()
    if (drained !== null) return { hostId, code: CLOSE.drain, reason: drained }
    if (held.size + this.#registering.size >= config.maxTunnels && !held.has(hostId)) {
      const reason = `This relay holds ${config.maxTunnels} tunnels, which is its ceiling`
      return { hostId, code: CLOSE.try_again_later, reason }
    }
    return { hostId }
  }

  /**
   * The drain may have begun while the directory was asked. A host that was taken from an existing tunnel is still let in, and leaves
   * with the others: sent away, it would be nowhere.
   */
  #refusalAfterwards(hostId: string, previous: Admitted['previous']): string | null {
    const { context, held } = this.#options
    const takenOver = previous !== null && (previous.node !== context.node || held.has(hostId))
    return takenOver ? null : this.#options.refusal()
  }

  async #register(hostId: string, ws: WebSocket): Promise<Registration | null> {
    this.#registering.set(ws, hostId)
    try {
      return await this.#tryToRegister(hostId, ws)
    } finally {
      this.#registering.delete(ws)
      // Waiting callers look once this host is in its place, or refused.
      setImmediate(() => this.#registered.look())
    }
  }

  /** Null where the directory could not be reached, or the host has left meanwhile. */
  async #tryToRegister(hostId: string, ws: WebSocket): Promise<Registration | null> {
    const { context, directory, timings } = this.#options
    for (let attempt = 0; attempt < REGISTER_ATTEMPTS; attempt += 1) {
      if (attempt > 0) await delay(timings.registerRetryMs[attempt - 1] ?? 0)
      if (attempt > 0 && ws.readyState !== ws.OPEN) return null
      try {
        return await directory.register(hostId)
      } catch (error) {
        context.log.warn(
          { err: error, hostId, attempt: attempt + 1 },
          'a tunnel could not be registered in the directory',
        )
      }
    }
    return null
  }

  #refuse(ws: WebSocket, { hostId, code, reason }: Refusal): void {
    if (this.#refusedSockets.has(ws)) return
    const clipped = clipReason(reason)
    this.refused[code] = (this.refused[code] ?? 0) + 1
    if (this.#events.take()) {
      this.#options.context.emit('tunnel.refused', { hostId, code, reason: clipped })
    }
    if (ws.readyState === ws.CLOSED) return
    this.#refusedSockets.add(ws)
    ws.on('close', () => this.#refusedSockets.delete(ws))
    ws.close(code, clipped)
    if (this.#refusedSockets.size > MAX_REFUSED_SOCKETS) ws.terminate()
  }
}
