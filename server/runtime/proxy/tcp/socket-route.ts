import { Duplex } from 'node:stream'
import type { Link, LinkOwner } from '../../listen/link.ts'
import type { CloseReason } from '../connections/close-reasons.ts'
import { Delivery } from '../connections/delivery.ts'
import { failureReason } from '../connections/failure.ts'
import { quietVerdict } from '../connections/quiet-rules.ts'
import type { Carrier, ConnectionRecord } from '../connections/record.ts'
import type { TcpServices } from './connection.ts'
import type { ConnectionHandler } from './handler.ts'
import type { SocketHandler } from './socket-handler.ts'

/** Hands each connection to a function. */
export class SocketRoute implements ConnectionHandler {
  readonly #name: string
  readonly #handler: SocketHandler
  readonly #services: TcpServices

  constructor(name: string, handler: SocketHandler, services: TcpServices) {
    this.#name = name
    this.#handler = handler
    this.#services = services
  }

  carry(client: Link, record: ConnectionRecord, early: Buffer | null): void {
    const connection = new HandledConnection(client, record, this.#services)
    connection.start(early)
    const info = {
      route: this.#name,
      client: record.client,
      port: record.port,
      serverName: record.tls?.serverName ?? null,
    }
    connection.run(() => this.#handler(connection.stream, info))
  }
}

/**
 * A connection in the hands of a function. Its stream keeps what came until it is read, and the client is paused beyond what a stream
 * keeps; each half ends by itself, and what the function never does is left to the timeouts of every connection.
 */
class HandledConnection implements Carrier, LinkOwner {
  readonly stream: Duplex
  readonly #client: Link
  readonly #record: ConnectionRecord
  readonly #services: TcpServices
  readonly #delivery: Delivery
  #written: (() => void) | null = null
  #halfEndedAt: number | null = null

  constructor(client: Link, record: ConnectionRecord, services: TcpServices) {
    this.#client = client
    this.#record = record
    this.#services = services
    this.#delivery = new Delivery(client, services.kernel, services.config.readerIdleTimeoutMs)
    client.owner = this
    record.carrier = this
    record.target = 'module'
    record.targetHalf = 'open'
    this.stream = new Duplex({
      allowHalfOpen: services.config.allowHalfOpen,
      // `for await` would take a client's FIN for the end of everything.
      autoDestroy: false,
      read: () => client.resume(),
      write: (chunk: Buffer, _encoding, done) => this.#write(chunk, done),
      final: (done) => {
        this.#ended('target')
        client.end()
        done()
      },
      destroy: (error, done) => {
        // By the function, if the connection still stands: what it had to say is cut.
        if (!this.#halvesEnded()) this.#close(error ? 'handler_failed' : 'target_reset')
        done(null)
      },
    })
    this.stream.on('error', () => undefined)
  }

  start(early: Buffer | null): void {
    this.#client.readAccepted()
    if (early && !this.onBytes(this.#client, early, early.length)) this.#client.pause()
  }

  /** Calls the function; its failure costs this connection. */
  run(handle: () => void | Promise<void>): void {
    const failed = (error: unknown): void => {
      if (!this.#record.open) return
      this.#services.noteFault(error)
      this.#close('handler_failed')
    }
    try {
      Promise.resolve(handle()).catch(failed)
    } catch (error) {
      failed(error)
    }
  }

  #write(chunk: Buffer, done: () => void): void {
    this.#record.bytesDownstream += chunk.length
    this.#record.active = true
    if (this.#client.writable && this.#client.write(chunk)) done()
    else this.#written = done
  }

  onBytes(_link: Link, buffer: Buffer, length: number): boolean {
    this.#record.bytesUpstream += length
    this.#record.active = true
    return this.stream.push(Buffer.from(buffer.subarray(0, length)))
  }

  onFlushed(): void {
    if (this.#client.socket.writableLength > 0) return
    const written = this.#written
    this.#written = null
    written?.()
  }

  onEnd(): void {
    this.#ended('client')
    this.stream.push(null)
    this.#settle()
  }

  onFinish(): void {
    this.#settle()
  }

  onError(_link: Link, error: NodeJS.ErrnoException): void {
    this.#close(failureReason('client', error))
  }

  #ended(side: 'client' | 'target'): void {
    if (side === 'client') this.#record.clientHalf = 'fin'
    else this.#record.targetHalf = 'fin'
    this.#halfEndedAt ??= performance.now()
    this.#record.active = true
  }

  #halvesEnded(): boolean {
    return this.#client.ended && this.#client.socket.writableEnded
  }

  #settle(): void {
    if (this.#client.ended && this.#client.finished) this.#close('finished')
  }

  #close(reason: CloseReason): void {
    if (!this.#record.open) return
    this.#services.close(this.#record, reason)
    if (reason === 'finished') this.#client.destroy()
    else this.#client.reset()
    // A function that writes as long as it may would go on without end, were it told so of a connection that is gone.
    this.stream.destroy()
    this.#written = null
  }

  sweep(now: number): void {
    const { config } = this.#services
    const limitMs = config.readerIdleTimeoutMs
    if (this.#halvesEnded() && limitMs > 0 && this.#delivery.standstillMs(now) >= limitMs) {
      this.#close('stalled_reader')
      return
    }
    const verdict = quietVerdict(config, this.#record, this.#halfEndedAt, now)
    if (verdict) this.#close(verdict)
    else this.#client.probe()
  }

  abort(reason: CloseReason): void {
    this.#close(reason)
  }

  retire(): void {
    // It goes on until its ends end it, or the drain's deadline does.
  }

  idleMs(): null {
    return null
  }

  keepsWaiting(): boolean {
    return false
  }

  heldBytes(): number {
    return this.stream.readableLength + this.stream.writableLength + this.#client.socket.writableLength
  }
}
