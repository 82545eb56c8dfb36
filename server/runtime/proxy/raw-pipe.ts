import type { ProxyConfig } from '../../contract/node-config.ts'
import type { CloseReason } from './close-reasons.ts'
import type { ConnectionBook, ConnectionRecord } from './connection-book.ts'
import type { Link, LinkOwner } from './link.ts'
import { quietVerdict } from './quiet-rules.ts'

const isVanished = (error: NodeJS.ErrnoException): boolean =>
  error.code === 'ETIMEDOUT' || error.code === 'EHOSTUNREACH' || error.code === 'ENETUNREACH'

/** Who failed and how, as a closing reason. */
export const failureReason = (side: 'client' | 'target', error: NodeJS.ErrnoException): CloseReason => {
  if (side === 'client') return isVanished(error) ? 'client_vanished' : 'client_reset'
  return isVanished(error) ? 'target_vanished' : 'target_reset'
}

/**
 * Bytes both ways between two connected sockets: each direction ends by itself (FIN becomes FIN), a direction whose reader is
 * slow pauses its source, a reset becomes a reset after what was written before it has been flushed.
 */
export class RawPipe implements LinkOwner {
  private readonly client: Link
  private readonly target: Link
  private readonly record: ConnectionRecord
  private readonly book: ConnectionBook
  private readonly config: ProxyConfig
  private readonly done: (reason: CloseReason) => void
  private halfEndedAt: number | null = null
  /** Set when one side is gone and the other may still flush, until `graceEndsAt`. */
  private ending: CloseReason | null = null
  private graceEndsAt = 0
  private graceFigure = 0
  private closed = false

  constructor(
    client: Link,
    target: Link,
    record: ConnectionRecord,
    book: ConnectionBook,
    config: ProxyConfig,
    done: (reason: CloseReason) => void,
  ) {
    this.client = client
    this.target = target
    this.record = record
    this.book = book
    this.config = config
    this.done = done
    record.targetHalf = 'open'
  }

  /** Takes both links over. FINs that came before are passed on now. */
  start(): void {
    this.client.owner = this
    this.target.owner = this
    if (this.client.ended) this.onEnd(this.client)
    if (this.target.ended) this.onEnd(this.target)
    if (this.closed) return
    if (this.target.socket.writableLength === 0) this.client.resume()
    if (this.client.socket.writableLength === 0) this.target.resume()
  }

  private other(link: Link): Link {
    return link === this.client ? this.target : this.client
  }

  onBytes(link: Link, buffer: Buffer, length: number, owned: boolean): boolean {
    const record = this.record
    record.lastActivityAt = this.book.now
    if (link === this.client) record.bytesUpstream += length
    else record.bytesDownstream += length
    const sink = link === this.client ? this.target : this.client
    if (!sink.writable) return true
    return sink.forward(buffer, 0, length, owned)
  }

  onFlushed(link: Link): void {
    if (this.closed) return
    if (link.socket.writableLength > 0) return
    if (this.ending) {
      this.finish(this.ending)
      return
    }
    const source = link === this.client ? this.target : this.client
    if (source.paused) {
      this.record.lastActivityAt = this.book.now
      source.resume()
    }
  }

  onEnd(link: Link): void {
    if (this.closed || this.ending) return
    if (link === this.client) this.record.clientHalf = 'fin'
    else this.record.targetHalf = 'fin'
    this.halfEndedAt ??= this.book.now
    this.record.lastActivityAt = this.book.now
    this.other(link).end()
    if (!this.config.allowHalfOpen) link.end()
    this.watchFlush()
    this.settle()
  }

  onFinish(): void {
    if (this.closed) return
    if (this.ending) this.finish(this.ending)
    else this.settle()
  }

  onError(link: Link, error: NodeJS.ErrnoException): void {
    if (this.closed) return
    const other = this.other(link)
    if (this.ending || other.failed) {
      this.finish(this.ending ?? failureReason(link === this.client ? 'client' : 'target', error))
      return
    }
    const reason = failureReason(link === this.client ? 'client' : 'target', error)
    if (link === this.client) this.record.clientHalf = 'closed'
    else this.record.targetHalf = 'closed'
    if (other.socket.writableLength === 0) {
      this.finish(reason)
      return
    }
    this.ending = reason
    other.pause()
    this.watchFlush()
  }

  /** Both FINs are out and in: finished. Without half-open, two sent FINs are enough. */
  private settle(): void {
    if (this.closed || !this.client.finished || !this.target.finished) return
    if (this.config.allowHalfOpen && !(this.client.ended && this.target.ended)) return
    this.finish('finished')
  }

  private watchFlush(): void {
    this.graceFigure = this.client.pending() + this.target.pending()
    this.graceEndsAt = this.book.now + this.config.socketCleanupGracePeriodMs
  }

  /** True when what is left to flush has not moved for the grace period. */
  private flushStalled(now: number): boolean {
    const figure = this.client.pending() + this.target.pending()
    if (figure !== this.graceFigure && !this.ending) {
      this.graceFigure = figure
      this.graceEndsAt = now + this.config.socketCleanupGracePeriodMs
      return false
    }
    return now >= this.graceEndsAt
  }

  sweep(now: number): void {
    if (this.closed) return
    if (this.ending) {
      if (this.flushStalled(now)) this.finish(this.ending)
      return
    }
    const bothEnded = !this.config.allowHalfOpen || (this.client.ended && this.target.ended)
    if (this.halfEndedAt !== null && bothEnded && this.flushStalled(now)) {
      this.finish('stalled_reader')
      return
    }
    const verdict = quietVerdict(this.config, this.record, this.halfEndedAt, now)
    if (verdict) this.finish(verdict)
    // Only the client: what a target sent before its reset may still stand in the kernel, and is the client's.
    else if (now - this.record.lastActivityAt >= this.config.socketCleanupGracePeriodMs) this.client.probe()
  }

  /** Ends both sides in this tick. A clean end is a FIN on both; anything else is a RST, so that nobody mistakes it for one. */
  finish(reason: CloseReason): void {
    if (this.closed) return
    this.closed = true
    if (reason === 'finished') {
      this.client.destroy()
      this.target.destroy()
    } else {
      this.client.reset()
      this.target.reset()
    }
    this.done(reason)
  }
}
