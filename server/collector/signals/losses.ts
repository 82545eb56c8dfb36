import type { TunnelLoss } from './tunnel-storm.ts'

const KEPT_MS = 10 * 60_000
/** Of one region. A storm over more tunnels than this is seen all the same; its oldest losses make room. */
const MAX_LOSSES = 100_000
/** Two tellings of one loss, by the relay and by the host that came back, are no further apart. */
const SAME_MS = 5_000

/** Ends of tunnels of the last minutes, by region and in order of time. */
export class TunnelLosses {
  readonly #byRegion = new Map<string, TunnelLoss[]>()
  readonly #lastOf = new Map<string, number>()

  add(loss: TunnelLoss): void {
    const losses = this.#byRegion.get(loss.region) ?? []
    this.#byRegion.set(loss.region, losses)
    this.#lastOf.set(loss.hostId, loss.at)
    // They come nearly in order: the place of a late one is near the end.
    let place = losses.length
    while (place > 0 && (losses[place - 1]?.at ?? 0) > loss.at) place -= 1
    if (place === losses.length) losses.push(loss)
    else losses.splice(place, 0, loss)
    if (losses.length > MAX_LOSSES) this.#forgetLast(losses.splice(0, MAX_LOSSES / 10))
  }

  /** Whether this end of a host's tunnel has been told already. */
  knows(hostId: string, at: number): boolean {
    return Math.abs((this.#lastOf.get(hostId) ?? Number.NEGATIVE_INFINITY) - at) < SAME_MS
  }

  of(region: string): readonly TunnelLoss[] {
    return this.#byRegion.get(region) ?? []
  }

  forget(region: string): void {
    for (const { hostId } of this.of(region)) this.#lastOf.delete(hostId)
    this.#byRegion.delete(region)
  }

  /** Drops what is too old to matter. */
  prune(now: number): void {
    for (const [region, losses] of this.#byRegion) {
      const old = losses.findIndex((loss) => now - loss.at <= KEPT_MS)
      if (old === 0) continue
      this.#forgetLast(losses.splice(0, old === -1 ? losses.length : old))
      if (losses.length === 0) this.#byRegion.delete(region)
    }
  }

  #forgetLast(gone: readonly TunnelLoss[]): void {
    for (const { hostId, at } of gone) if (this.#lastOf.get(hostId) === at) this.#lastOf.delete(hostId)
  }
}
