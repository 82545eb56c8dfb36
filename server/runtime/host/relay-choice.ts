import { AppError } from '../../contract/errors.ts'

/** Turns what an operator wrote into a tunnel address: `/tunnel` is appended where it is missing. */
export const tunnelUrl = (relay: string, hostId: string): string => {
  const url = URL.canParse(relay) ? new URL(relay) : null
  const scheme = url?.protocol.replace(/^http/, 'ws')
  if (!url || (scheme !== 'ws:' && scheme !== 'wss:')) {
    throw new AppError(
      'ERR_INVALID',
      `"${relay}" is not the address of a relay; for example wss://relay.example.com`,
      {
        problems: [{ path: 'relays', message: 'must be a ws:// or wss:// URL' }],
      },
    )
  }
  url.protocol = scheme
  url.hash = ''
  const path = url.pathname.replace(/\/+$/, '')
  url.pathname = path.endsWith('/tunnel') ? path : `${path}/tunnel`
  url.searchParams.set('hostId', hostId)
  url.searchParams.set('v', '1')
  return url.href
}

/**
 * Which relay is tried next: in the operator's order, those that drain last, and each once before any is tried again.
 */
export class RelayChoice {
  readonly #relays: readonly string[]
  readonly #avoidMs: number
  readonly #now: () => number
  readonly #avoidedUntil = new Map<string, number>()
  readonly #tried = new Set<string>()

  constructor(relays: readonly string[], avoidMs: number, now: () => number) {
    this.#relays = relays
    this.#avoidMs = avoidMs
    this.#now = now
  }

  next(): string {
    let open = this.#relays.filter((relay) => !this.#tried.has(relay))
    if (open.length === 0) {
      this.#tried.clear()
      open = [...this.#relays]
    }
    const chosen = open.find((relay) => !this.#avoided(relay)) ?? open[0] ?? ''
    this.#tried.add(chosen)
    return chosen
  }

  /** True where a relay that does not drain has not been tried in this search. */
  get fresh(): boolean {
    return this.#relays.some((relay) => !this.#tried.has(relay) && !this.#avoided(relay))
  }

  /** A new search begins with the first relay again. */
  restart(): void {
    this.#tried.clear()
  }

  avoid(relay: string): void {
    this.#avoidedUntil.set(relay, this.#now() + this.#avoidMs)
  }

  #avoided(relay: string): boolean {
    return (this.#avoidedUntil.get(relay) ?? 0) > this.#now()
  }
}
