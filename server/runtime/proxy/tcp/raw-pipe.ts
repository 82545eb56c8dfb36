import type { ProxyConfig } from '../../../contract/node-config.ts'
import type { Link, LinkOwner } from '../../listen/link.ts'
import type { CloseReason } from '../connections/close-reasons.ts'
import { Delivery } from '../connections/delivery.ts'
import { failureReason } from '../connections/failure.ts'
import type { KernelTable } from '../connections/kernel-table.ts'
import { quietVerdict } from '../connections/quiet-rules.ts'
import type { ConnectionRecord } from '../connections/record.ts'

/** A client that ends first is watched until it has what the target said only where that was more than fits on the way to it. */
const WATCHED_BYTES = 64 * 1024
/** A side that is not read for want of room: whether it has sent FIN meanwhile is looked up after this long without a byte. */
const UNREAD_FIN_AFTER_MS = 60_000

/**
 * Bytes both ways between two connected sockets: each direction ends by itself (FIN becomes FIN), a direction whose reader is
 * slow pauses its source, a reset becomes a reset after what was written before it has been taken.
 */
export class RawPipe implements LinkOwner {
  readonly #client: Link
  readonly #target: Link
  readonly #record: ConnectionRecord
  readonly #config: ProxyConfig
  readonly #done: (reason: CloseReason) => void
  readonly #kernel: KernelTable
  #halfEndedAt: number | null = null
  /** Set when one side is gone and the other may still take what is left, until `graceEndsAt`; 0: without limit. */
  #ending: CloseReason | null = null
  #endingSince = 0
  #graceEndsAt = 0
  /** The client's FIN came before ours: it does not say that the client has what was sent. */
  #clientEndedFirst = false
  #toClient: Delivery | null = null
  #toTarget: Delivery | null = null
  #closed = false

  constructor(
    client: Link,
    target: Link,
    record: ConnectionRecord,
    config: ProxyConfig,
    kernel: KernelTable,
    done: (reason: CloseReason) => void,
  ) {
    this.#client = client
    this.#target = target
    this.#record = record
    this.#config = config
    this.#kernel = kernel
    this.#done = done
    record.targetHalf = 'open'
  }

  /** Takes both links over. FINs that came before are passed on now. */
  start(): void {
    this.#client.owner = this
    this.#target.owner = this
    if (this.#client.ended) this.onEnd(this.#client)
    if (this.#target.ended) this.onEnd(this.#target)
    if (this.#closed) return
    if (this.#target.socket.writableLength === 0) this.#client.resume()
    if (this.#client.socket.writableLength === 0) this.#target.resume()
  }

  #other(link: Link): Link {
    return link === this.#client ? this.#target : this.#client
  }

  onBytes(link: Link, buffer: Buffer, length: number, owned: boolean): boolean {
    const record = this.#record
    record.active = true
    if (link === this.#client) record.bytesUpstream += length
    else record.bytesDownstream += length
    const sink = link === this.#client ? this.#target : this.#client
    if (!sink.writable) return true
    return sink.forward(buffer, 0, length, owned)
  }

  onFlushed(link: Link): void {
    if (this.#closed) return
    if (link.socket.writableLength > 0) return
    if (this.#ending) {
      this.#finishEnding(this.#ending)
      return
    }
    const source = link === this.#client ? this.#target : this.#client
    if (source.paused) {
      this.#record.active = true
      source.resume()
    }
  }

  onEnd(link: Link): void {
    if (this.#closed || this.#ending) return
    if (link === this.#client) {
      this.#record.clientHalf = 'fin'
      this.#clientEndedFirst = !this.#client.finished
    } else this.#record.targetHalf = 'fin'
    this.#halfEndedAt ??= performance.now()
    this.#record.active = true
    this.#other(link).end()
    if (!this.#config.allowHalfOpen) link.end()
    this.#settle()
  }

  onFinish(): void {
    if (this.#closed) return
    if (this.#ending) this.#finishEnding(this.#ending)
    else this.#settle()
  }

  onError(link: Link, error: NodeJS.ErrnoException): void {
    if (this.#closed) return
    const other = this.#other(link)
    if (this.#ending || other.failed) {
      this.finish(this.#ending ?? failureReason(link === this.#client ? 'client' : 'target', error))
      return
    }
    const reason = failureReason(link === this.#client ? 'client' : 'target', error)
    if (link === this.#client) this.#record.clientHalf = 'closed'
    else this.#record.targetHalf = 'closed'
    if (other.socket.writableLength > 0) other.pause()
    this.#finishEnding(reason)
  }

  /** Both FINs are out and in: finished. Without half-open, two sent FINs are enough. */
  #settle(): void {
    if (this.#closed || !this.#client.finished || !this.#target.finished) return
    if (this.#config.allowHalfOpen && !(this.#client.ended && this.#target.ended)) return
    if (this.#clientEndedFirst) this.#finishEnding('finished')
    else this.finish('finished')
  }

  /** Ends with `reason` once the side that is left has taken what is meant for it, as far as that can be known, within the grace period. */
  #finishEnding(reason: CloseReason): void {
    const held = this.#client.failed ? this.#target.socket.writableLength : this.#client.socket.writableLength
    if (held === 0 && !this.#watchesClient()) {
      this.finish(reason)
      return
    }
    if (this.#ending) return
    this.#ending = reason
    this.#endingSince = performance.now()
    this.#deliveryToClient().remember()
    const { readerIdleTimeoutMs, socketCleanupGracePeriodMs } = this.#config
    // A reset never waits longer than the grace period; a clean end waits for its reader.
    const graceMs = reason === 'finished' ? readerIdleTimeoutMs : socketCleanupGracePeriodMs
    this.#graceEndsAt = graceMs === 0 ? 0 : this.#endingSince + graceMs
  }

  #watchesClient(): boolean {
    return this.#kernel.supported && !this.#client.failed && this.#record.bytesDownstream > WATCHED_BYTES
  }

  #deliveryToClient(): Delivery {
    this.#toClient ??= new Delivery(this.#client, this.#kernel, this.#config.readerIdleTimeoutMs)
    return this.#toClient
  }

  #deliveryToTarget(): Delivery {
    this.#toTarget ??= new Delivery(this.#target, this.#kernel, this.#config.readerIdleTimeoutMs)
    return this.#toTarget
  }

  #sweepEnding(reason: CloseReason, now: number): void {
    if (this.#watchesClient()) {
      const delivery = this.#deliveryToClient()
      if (delivery.taken(this.#endingSince) === true || delivery.unknowable) {
        this.finish(reason)
        return
      }
      if (reason === 'finished') {
        const limitMs = this.#config.readerIdleTimeoutMs
        if (delivery.standstillMs(now, true) >= limitMs && limitMs > 0) this.finish('stalled_reader')
        return
      }
    }
    if (this.#graceEndsAt > 0 && now >= this.#graceEndsAt) this.finish(reason)
  }

  /** Both sides have ended, and one does not take the rest. */
  #readerStalled(now: number): boolean {
    const limitMs = this.#config.readerIdleTimeoutMs
    if (limitMs === 0 || this.#halfEndedAt === null) return false
    if (this.#config.allowHalfOpen && !(this.#client.ended && this.#target.ended)) return false
    const stillMs = Math.max(
      this.#deliveryToClient().standstillMs(now),
      this.#deliveryToTarget().standstillMs(now),
    )
    return stillMs >= limitMs
  }

  /** Bytes that a side has not taken yet. */
  heldBytes(): number {
    return this.#client.socket.writableLength + this.#target.socket.writableLength
  }

  sweep(now: number): void {
    if (this.#closed) return
    if (this.#ending) {
      this.#sweepEnding(this.#ending, now)
      return
    }
    if (this.#readerStalled(now)) {
      this.finish('stalled_reader')
      return
    }
    const quietMs = now - this.#record.lastActivityAt
    this.#noticeUnreadFin(quietMs, now)
    const verdict = quietVerdict(this.#config, this.#record, this.#halfEndedAt, now)
    if (verdict) this.finish(verdict)
    // Only the client: what a target sent before its reset may still be in the kernel, and belongs to the client.
    else this.#client.probe()
  }

  /** A FIN behind bytes for which there is no room cannot be read, but the kernel knows of it: parity then holds for it too. */
  #noticeUnreadFin(quietMs: number, now: number): void {
    const { parityCheckTimeoutMs } = this.#config
    if (this.#halfEndedAt !== null || parityCheckTimeoutMs === 0) return
    if (quietMs < Math.min(UNREAD_FIN_AFTER_MS, parityCheckTimeoutMs)) return
    const ended =
      (this.#client.paused && this.#deliveryToClient().peerEnded()) ||
      (this.#target.paused && this.#deliveryToTarget().peerEnded())
    if (ended) this.#halfEndedAt = now
  }

  /** Ends both sides in this tick. A clean end is a FIN on both; anything else is a RST, so that nobody mistakes it for one. */
  finish(reason: CloseReason): void {
    if (this.#closed) return
    this.#closed = true
    // Once both FINs are out everything is with the kernel, which goes on delivering it.
    const whole = this.#client.finished && this.#target.finished && this.#client.ended && this.#target.ended
    if (reason === 'finished' || (whole && reason !== 'stalled_reader')) {
      this.#client.destroy()
      this.#target.destroy()
    } else {
      this.#client.reset()
      this.#target.reset()
    }
    this.#done(reason)
  }
}
