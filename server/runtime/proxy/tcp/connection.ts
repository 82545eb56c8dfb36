import type { ProxyConfig } from '../../../contract/node-config.ts'
import type { Link, LinkOwner } from '../../listen/link.ts'
import type { Carrier, ConnectionBook, ConnectionRecord } from '../admit/connection-book.ts'
import type { CloseReason } from '../connections/close-reasons.ts'
import type { KernelTable } from '../connections/kernel-table.ts'
import type { Dial, Dialler, Target, TargetGroup } from '../targets/dialler.ts'
import { failureReason, RawPipe } from './raw-pipe.ts'

/** What a client may send before its target is connected; then it is paused. */
const MAX_EARLY_BYTES = 64 * 1024
/**
 * A client that sent FIN and not one byte is most likely gone, but may be one that only listens (`nc host </dev/null`). It is
 * given this long to be connected.
 */
const SILENT_FIN_GRACE_MS = 500

/** A plain TCP connection: dial at once, keep early bytes, then pipe. */
export class TcpConnection implements Carrier, LinkOwner {
  private readonly client: Link
  private readonly record: ConnectionRecord
  private readonly book: ConnectionBook
  private readonly config: ProxyConfig
  private readonly kernel: KernelTable
  private dial: Dial | null = null
  private target: Target | null = null
  private pipe: RawPipe | null = null
  private early: Buffer[] = []
  private earlyBytes = 0
  private silentFinAt: number | null = null

  constructor(
    client: Link,
    record: ConnectionRecord,
    book: ConnectionBook,
    config: ProxyConfig,
    kernel: KernelTable,
  ) {
    this.client = client
    this.record = record
    this.book = book
    this.config = config
    this.kernel = kernel
    client.owner = this
    record.carrier = this
  }

  start(dialler: Dialler, group: TargetGroup): void {
    this.client.readAccepted()
    this.dial = dialler.dial(group.candidates(), (link, target, failure) => {
      this.dial = null
      this.record.target = target?.name ?? null
      if (!this.record.open) {
        link?.destroy()
        return
      }
      if (!link || !target) {
        this.close(failure ?? 'backend_refused')
        return
      }
      this.connected(link, target)
    })
  }

  private connected(link: Link, target: Target): void {
    this.target = target
    target.active += 1
    this.record.active = true
    const pipe = new RawPipe(this.client, link, this.record, this.config, this.kernel, (reason) =>
      this.closed(reason),
    )
    this.pipe = pipe
    let flushed = true
    for (const chunk of this.early) flushed = link.write(chunk)
    this.early = []
    if (!flushed && !this.client.paused) this.client.pause()
    pipe.start()
  }

  private close(reason: CloseReason): void {
    if (!this.record.open) return
    if (this.pipe) {
      this.pipe.finish(reason)
      return
    }
    this.dial?.cancel()
    this.dial = null
    this.early = []
    // The client learns of a failed dial by RST: an orderly FIN would look like an empty answer.
    this.client.reset()
    this.closed(reason)
  }

  private closed(reason: CloseReason): void {
    if (this.target) this.target.active -= 1
    this.target = null
    this.book.close(this.record, reason)
  }

  sweep(now: number): void {
    if (this.pipe) {
      this.pipe.sweep(now)
      return
    }
    if (this.silentFinAt !== null && now - this.silentFinAt >= SILENT_FIN_GRACE_MS) {
      this.close('client_gone_while_dialling')
    }
  }

  abort(reason: CloseReason): void {
    this.close(reason)
  }

  retire(): void {
    // A TCP connection goes on until its ends end it, or the drain's deadline does.
  }

  inFlight(): 'connection' {
    return 'connection'
  }

  /** A quiet TCP connection may be somebody's database session: it is never ended to make room for another. */
  idleMs(): null {
    return null
  }

  keepsWaiting(): boolean {
    return false
  }

  heldBytes(): number {
    return this.pipe?.heldBytes() ?? this.earlyBytes
  }

  // The client's link while the target is dialled.

  onBytes(_link: Link, buffer: Buffer, length: number): boolean {
    this.record.bytesUpstream += length
    this.record.active = true
    this.early.push(Buffer.from(buffer.subarray(0, length)))
    this.earlyBytes += length
    return this.earlyBytes < MAX_EARLY_BYTES
  }

  onEnd(): void {
    this.record.clientHalf = 'fin'
    if (!this.config.allowHalfOpen) this.close('client_gone_while_dialling')
    else if (this.earlyBytes === 0) this.silentFinAt = performance.now()
  }

  onError(_link: Link, error: NodeJS.ErrnoException): void {
    this.close(
      failureReason('client', error) === 'client_vanished' ? 'client_vanished' : 'client_gone_while_dialling',
    )
  }

  onFlushed(): void {
    // Nothing is written to the client before its target is connected.
  }

  onFinish(): void {
    // As above.
  }
}
