import type { ProxyConfig } from '../../../contract/node-config.ts'
import type { Link, LinkOwner } from '../../listen/link.ts'
import type { CloseReason } from '../connections/close-reasons.ts'
import { failureReason } from '../connections/failure.ts'
import type { KernelTable } from '../connections/kernel-table.ts'
import { type Carrier, type ConnectionRecord, originOf } from '../connections/record.ts'
import { NO_CAPTURES } from '../patterns/captures.ts'
import type { Dial, DialDone } from '../targets/dial.ts'
import type { Dialler } from '../targets/dialler.ts'
import type { Target } from '../targets/target.ts'
import type { TargetChoice } from '../targets/target-group.ts'
import type { ConnectionHandler } from './handler.ts'
import { RawPipe } from './raw-pipe.ts'

/** What a client may send before its target is connected; then it is paused. */
const MAX_EARLY_BYTES = 64 * 1024
/**
 * A client that sent FIN and not one byte is most likely gone, but may be one that only listens (`nc host </dev/null`). It is
 * given this long to be connected.
 */
const SILENT_FIN_GRACE_MS = 500

/** What TCP connections share. */
export interface TcpServices {
  readonly config: ProxyConfig
  readonly dialler: Dialler
  readonly kernel: KernelTable
  /** Closes a connection's record. */
  close(record: ConnectionRecord, reason: CloseReason): void
  /** Logs an error that is not the client's. */
  noteFault(error: unknown): void
}

/** A plain TCP connection: dial at once, keep early bytes, then pipe. */
class TcpConnection implements Carrier, LinkOwner {
  readonly #client: Link
  readonly #record: ConnectionRecord
  readonly #services: TcpServices
  #dial: Dial | null = null
  #target: Target | null = null
  #pipe: RawPipe | null = null
  #early: Buffer[] = []
  #earlyBytes = 0
  #silentFinAt: number | null = null

  constructor(client: Link, record: ConnectionRecord, services: TcpServices) {
    this.#client = client
    this.#record = record
    this.#services = services
    client.owner = this
    record.carrier = this
  }

  /** `early`: bytes that were read before the connection was this one's. */
  start(group: TargetChoice, early: Buffer | null): void {
    this.#client.readAccepted()
    if (early && !this.onBytes(this.#client, early, early.length)) this.#client.pause()
    const done: DialDone = (link, target, failure) => {
      this.#dial = null
      this.#record.target = target?.name ?? null
      if (!this.#record.open) {
        link?.destroy()
        return
      }
      if (!link || !target) {
        this.#close(failure ?? 'backend_refused')
        return
      }
      this.#connected(link, target)
    }
    const origin = () => originOf(this.#record, this.#client.socket)
    this.#dial = this.#services.dialler.dial(
      group.candidates(NO_CAPTURES, this.#record.client.ip),
      done,
      origin,
    )
  }

  #connected(link: Link, target: Target): void {
    const { config, kernel } = this.#services
    this.#target = target
    target.active += 1
    this.#record.active = true
    const pipe = new RawPipe(this.#client, link, this.#record, config, kernel, (reason) =>
      this.#closed(reason),
    )
    this.#pipe = pipe
    let flushed = true
    for (const chunk of this.#early) flushed = link.write(chunk)
    this.#early = []
    if (!flushed && !this.#client.paused) this.#client.pause()
    pipe.start()
  }

  #close(reason: CloseReason): void {
    if (!this.#record.open) return
    if (this.#pipe) {
      this.#pipe.finish(reason)
      return
    }
    this.#dial?.cancel()
    this.#dial = null
    this.#early = []
    // The client learns of a failed dial by RST: an orderly FIN would look like an empty answer.
    this.#client.reset()
    this.#closed(reason)
  }

  #closed(reason: CloseReason): void {
    if (this.#target) this.#target.active -= 1
    this.#target = null
    this.#services.close(this.#record, reason)
  }

  sweep(now: number): void {
    if (this.#pipe) {
      this.#pipe.sweep(now)
      return
    }
    if (this.#silentFinAt !== null && now - this.#silentFinAt >= SILENT_FIN_GRACE_MS) {
      this.#close('client_gone_while_dialling')
    }
  }

  abort(reason: CloseReason): void {
    this.#close(reason)
  }

  retire(): void {
    // A TCP connection goes on until its ends end it, or the drain's deadline does.
  }

  /** A quiet TCP connection may be somebody's database session: it is never ended to make room for another. */
  idleMs(): null {
    return null
  }

  keepsWaiting(): boolean {
    return false
  }

  heldBytes(): number {
    return this.#pipe?.heldBytes() ?? this.#earlyBytes
  }

  // The client's link while the target is dialled.

  onBytes(_link: Link, buffer: Buffer, length: number): boolean {
    this.#record.bytesUpstream += length
    this.#record.active = true
    this.#early.push(Buffer.from(buffer.subarray(0, length)))
    this.#earlyBytes += length
    return this.#earlyBytes < MAX_EARLY_BYTES
  }

  onEnd(): void {
    this.#record.clientHalf = 'fin'
    if (!this.#services.config.allowHalfOpen) this.#close('client_gone_while_dialling')
    else if (this.#earlyBytes === 0) this.#silentFinAt = performance.now()
  }

  onError(_link: Link, error: NodeJS.ErrnoException): void {
    this.#close(
      failureReason('client', error) === 'client_vanished' ? 'client_vanished' : 'client_gone_while_dialling',
    )
  }

  onFlushed(): void {
    // Nothing is written to the client before its target is connected.
  }

  onFinish(): void {
    // Nor is our half ended before that.
  }
}

/** Carries each connection to one of the route's targets. */
export class TcpForward implements ConnectionHandler {
  readonly #group: TargetChoice
  readonly #services: TcpServices

  constructor(group: TargetChoice, services: TcpServices) {
    this.#group = group
    this.#services = services
  }

  carry(client: Link, record: ConnectionRecord, early: Buffer | null): void {
    new TcpConnection(client, record, this.#services).start(this.#group, early)
  }
}
