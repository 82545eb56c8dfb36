import type { Link } from '../../listen/link.ts'
import { type KernelTable, kernelKey } from './kernel-table.ts'

/** When nothing has moved for this long, or a quarter of the limit, the kernel is asked whether something moves that Node does not see. */
const ASK_KERNEL_AFTER_MS = 1_000

/**
 * Watches whether a peer takes what was written to it, by the two figures there are: what Node still holds, and what the kernel holds
 * unacknowledged. A reader at 10 KB/s moves nothing in Node for minutes, because the kernel's buffer is large.
 */
export class Delivery {
  readonly #link: Link
  readonly #kernel: KernelTable
  readonly #askAfterMs: number
  #key: string | null | undefined
  #held = 0
  #unacknowledged = -1
  #movedAt = 0

  /** `limitMs`: the standstill at which the caller gives up; 0 when it does not. */
  constructor(link: Link, kernel: KernelTable, limitMs: number) {
    this.#link = link
    this.#kernel = kernel
    this.#askAfterMs = limitMs === 0 ? ASK_KERNEL_AFTER_MS : Math.min(ASK_KERNEL_AFTER_MS, limitMs / 4)
  }

  get #kernelKey(): string | null {
    if (this.#key === undefined) this.#key = kernelKey(this.#link.socket)
    return this.#key
  }

  /**
   * How long the peer has taken nothing although something is written, in milliseconds. `farewell`: our FIN is written, and what the
   * kernel still holds counts too. To be called in every sweep.
   */
  standstillMs(now: number, farewell = false): number {
    const held = this.#link.pending()
    if (held !== this.#held || (held === 0 && !farewell) || this.#movedAt === 0) {
      this.#held = held
      this.#unacknowledged = -1
      this.#movedAt = now
      return 0
    }
    return this.#silenceMs(now)
  }

  #silenceMs(now: number): number {
    if (now - this.#movedAt < this.#askAfterMs) return now - this.#movedAt
    const figure = this.#kernel.unacknowledged(this.#kernelKey, this.#movedAt)
    if (figure !== null && figure !== this.#unacknowledged) {
      // The first figure is something to compare with; only a later one that differs is a movement.
      if (this.#unacknowledged >= 0) this.#movedAt = now
      this.#unacknowledged = figure
    }
    return now - this.#movedAt
  }

  /**
   * Whether the peer's kernel has acknowledged everything that was written before `since`; null while that is not known. It stays null
   * where the kernel does not say.
   */
  taken(since: number): boolean | null {
    if (this.#link.socket.writableLength > 0) return false
    const figure = this.#kernel.unacknowledged(this.#kernelKey, since)
    return figure === null ? null : figure === 0
  }

  /** Keeps the socket's name for when it is asked about after its peer is gone. */
  remember(): void {
    if (this.#key === undefined || this.#key === null) this.#key = kernelKey(this.#link.socket)
  }

  /** The socket is gone, and the kernel's name for it was never known: nothing more can be learned. */
  get unknowable(): boolean {
    return this.#link.socket.destroyed && this.#kernelKey === null
  }

  /** The peer has sent a FIN that cannot be read yet, because there is no room for what came before it. */
  peerEnded(): boolean {
    return this.#kernel.peerEnded(this.#kernelKey)
  }
}
