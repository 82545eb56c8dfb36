/** Seconds are enough to read it; an hour later it is nobody's question any more. */
const TOLD_MS = 10 * 60_000

interface Order {
  /** The run of HAProxy that took it: the next one knows nothing of it. */
  epoch: string
  wish: 'out' | 'back'
  /** It was seen as it was wished. */
  isSeen: boolean
  /** When somebody else was seen to have changed it, epoch ms. */
  crossedAt: number | null
}

/** What nodes were last told through this collector, so that what somebody sets by hand beside it is noticed and said. */
export class Orders {
  readonly #orders = new Map<string, Order>()

  took(id: string, epoch: string, wish: Order['wish']): void {
    const known = this.#orders.get(id)
    const isSame = known !== undefined && known.epoch === epoch && known.wish === wish
    // Asked again because somebody else undid it: that stays worth saying.
    this.#orders.set(id, { epoch, wish, isSeen: false, crossedAt: isSame ? known.crossedAt : null })
  }

  /** What a look at a node says about others who set its state; a sentence, or null. */
  see(id: string, seen: { epoch: string; at: number; isOut: boolean; title: string }): string | null {
    const order = this.#orders.get(id)
    if (order === undefined) return null
    if (order.epoch !== seen.epoch) {
      this.#orders.delete(id)
      return null
    }
    if (seen.isOut === (order.wish === 'out')) order.isSeen = true
    else if (order.isSeen) order.crossedAt = seen.at
    if (order.crossedAt === null || seen.at - order.crossedAt > TOLD_MS) return null
    return order.wish === 'out'
      ? `${seen.title} was taken out of service here, and somebody else brought it back`
      : `${seen.title} was brought back here, and somebody else took it out of service`
  }

  forget(id: string): void {
    this.#orders.delete(id)
  }
}
