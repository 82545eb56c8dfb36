/** One tunnel's end. */
export interface TunnelLoss {
  hostId: string
  node: string
  /** Epoch ms. */
  at: number
  code: number | null
  /** A drain of that node or region was running, or it was in maintenance. */
  explained: boolean
}

const KEPT_MS = 10 * 60_000
/** A storm over more tunnels than this is still seen; its oldest losses make room. */
const MAX_LOSSES = 100_000
/** Two reports of one loss, by the relay and by the host that came back, are no further apart. */
const SAME_MS = 5_000

/** Ends of one region's tunnels in the last minutes, in order of time. */
export class TunnelLosses {
  #losses: TunnelLoss[] = []
  readonly #lastOf = new Map<string, number>()

  add(loss: TunnelLoss): void {
    const losses = this.#losses
    this.#lastOf.set(loss.hostId, loss.at)
    // They come nearly in order: the place of a late one is near the end.
    let place = losses.length
    while (place > 0 && (losses[place - 1]?.at ?? 0) > loss.at) place -= 1
    if (place === losses.length) losses.push(loss)
    else losses.splice(place, 0, loss)
    if (losses.length > MAX_LOSSES) this.#forgetLast(losses.splice(0, MAX_LOSSES / 10))
  }

  /** Whether this end of a host's tunnel has been reported already. */
  knows(hostId: string, at: number): boolean {
    return Math.abs((this.#lastOf.get(hostId) ?? Number.NEGATIVE_INFINITY) - at) < SAME_MS
  }

  all(): readonly TunnelLoss[] {
    return this.#losses
  }

  clear(): void {
    this.#losses = []
    this.#lastOf.clear()
  }

  /** Drops what is too old to matter. */
  prune(now: number): void {
    const old = this.#losses.findIndex((loss) => now - loss.at <= KEPT_MS)
    if (old !== 0) this.#forgetLast(this.#losses.splice(0, old === -1 ? this.#losses.length : old))
  }

  #forgetLast(gone: readonly TunnelLoss[]): void {
    for (const { hostId, at } of gone) if (this.#lastOf.get(hostId) === at) this.#lastOf.delete(hostId)
  }
}
