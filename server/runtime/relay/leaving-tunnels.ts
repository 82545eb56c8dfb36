import type { Tunnel } from './tunnel.ts'

/** How often to look whether the last stream of such a tunnel has ended. */
const LOOK_EVERY_MS = 50

interface Leaving {
  /** Monotonic; not ended before. */
  notBeforeMs: number
  idle(tunnel: Tunnel): void
  told: boolean
}

/** Tunnels whose hosts have moved elsewhere, and which stay until the streams that are open on them have ended. */
export class LeavingTunnels {
  readonly #tunnels = new Map<Tunnel, Leaving>()
  #timer: NodeJS.Timeout | null = null

  get size(): number {
    return this.#tunnels.size
  }

  all(): Tunnel[] {
    return [...this.#tunnels.keys()]
  }

  /** A host's newest one that is still up. */
  of(hostId: string): Tunnel | undefined {
    return this.all().findLast((tunnel) => tunnel.hostId === hostId && !tunnel.lost)
  }

  /** `idle` is called once, when no stream is open on it any more and `notBeforeMs` has come. */
  add(tunnel: Tunnel, notBeforeMs: number, idle: (tunnel: Tunnel) => void): void {
    this.#tunnels.set(tunnel, { notBeforeMs, idle, told: false })
    this.#timer ??= setInterval(() => this.#look(), LOOK_EVERY_MS)
  }

  delete(tunnel: Tunnel): void {
    if (this.#tunnels.delete(tunnel) && this.#tunnels.size === 0) this.stop()
  }

  stop(): void {
    if (this.#timer) clearInterval(this.#timer)
    this.#timer = null
  }

  #look(): void {
    for (const [tunnel, leaving] of this.#tunnels) {
      if (leaving.told || tunnel.streams.size > 0 || performance.now() < leaving.notBeforeMs) continue
      leaving.told = true
      leaving.idle(tunnel)
    }
  }
}
