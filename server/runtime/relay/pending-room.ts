import type { Tunnel } from './tunnel.ts'

/** An exchange that is younger has had no time to show how fast its client is. */
const SLOW_AFTER_MS = 1_000
/** A client that moves fewer bytes a second makes room where there is none. */
const SLOW_BYTES_PER_SECOND = 4_096

/** How full memory may be for nobody to have to give way any more. */
const RELIEVED = 7 / 8

/** One exchange that holds a place on a tunnel. */
export interface Place {
  /** Whose it is: requests with the same value share. */
  client: string
  /** Bytes a second that its client sends or takes while it is the client's turn; null while it is the host's. */
  clientPace(): number | null
  /** Bytes that are kept for it. */
  buffered(): number
  /** No byte of an answer has left yet. */
  waiting(): boolean
  /** Ends it, because another needs its place. */
  giveWay(why: 'slow' | 'share'): void
}

interface Held extends Place {
  readonly sinceMs: number
}

/** One place for all addresses that one customer of a provider has: an IPv6 /64, or an IPv4 address. */
export const clientKey = (address: string): string => {
  if (!address.includes(':')) return address
  const [left = '', right] = address.toLowerCase().split('%', 1)[0]?.split('::') ?? []
  const groups = left === '' ? [] : left.split(':')
  const rest = right === undefined || right === '' ? [] : right.split(':')
  while (right !== undefined && groups.length + rest.length < 8) groups.push('0')
  return [...groups, ...rest].slice(0, 4).join(':')
}

/**
 * Decides who makes room when a tunnel's ceiling of pending requests is reached; nobody has to before that, because being slow is not an
 * attack. At the ceiling the slowest client goes first, then a client with far more places than the newcomer; otherwise the newcomer is
 * refused.
 */
export class PendingRoom {
  readonly #places = new WeakMap<Tunnel, Set<Held>>()
  readonly #all = new Set<Held>()

  /** Takes a place. Returns the function that gives it back. */
  take(tunnel: Tunnel, place: Place): () => void {
    const places = this.#places.get(tunnel) ?? new Set()
    this.#places.set(tunnel, places)
    const held = { ...place, sinceMs: performance.now() }
    places.add(held)
    this.#all.add(held)
    return () => {
      places.delete(held)
      this.#all.delete(held)
    }
  }

  /** Where more than `maxBytes` are kept, the slowest of those for whom they are kept give way until an eighth is free. */
  relieve(maxBytes: number): void {
    let total = 0
    const holders: { place: Held; bytes: number; pace: number }[] = []
    for (const place of this.#all) {
      const bytes = place.buffered()
      if (bytes === 0) continue
      total += bytes
      holders.push({ place, bytes, pace: place.clientPace() ?? Number.POSITIVE_INFINITY })
    }
    if (total <= maxBytes) return
    holders.sort((a, b) => a.pace - b.pace || b.bytes - a.bytes)
    for (const { place, bytes } of holders) {
      if (total <= maxBytes * RELIEVED) return
      total -= bytes
      place.giveWay('slow')
    }
  }

  /** Makes room on a full tunnel for a request of `client`: true where somebody gave way. */
  make(tunnel: Tunnel, client: string): boolean {
    const places = this.#places.get(tunnel) ?? new Set()
    const slow = this.#slowest(places)
    const victim = slow ?? this.#greediest(places, client)
    if (victim === null) return false
    places.delete(victim)
    victim.giveWay(slow === null ? 'share' : 'slow')
    return true
  }

  #slowest(places: ReadonlySet<Held>): Held | null {
    const nowMs = performance.now()
    let slowest: Held | null = null
    let least = SLOW_BYTES_PER_SECOND
    for (const place of places) {
      if (nowMs - place.sinceMs < SLOW_AFTER_MS) continue
      const pace = place.clientPace()
      if (pace === null || pace >= least) continue
      least = pace
      slowest = place
    }
    return slowest
  }

  /**
   * The newest place of a client that holds more than twice as many as the newcomer would: one without an answer yet, where there is one.
   */
  #greediest(places: ReadonlySet<Held>, client: string): Held | null {
    const counts = new Map<string, number>()
    for (const place of places) counts.set(place.client, (counts.get(place.client) ?? 0) + 1)
    let greedy: string | null = null
    let most = 2 * ((counts.get(client) ?? 0) + 1)
    for (const [key, count] of counts) {
      if (count <= most) continue
      most = count
      greedy = key
    }
    if (greedy === null) return null
    const theirs = [...places].filter((place) => place.client === greedy)
    return theirs.findLast((place) => place.waiting()) ?? theirs.at(-1) ?? null
  }
}
