import { type LookupAddress, type LookupOptions, lookup as systemLookup } from 'node:dns'
import { isIP } from 'node:net'

/** An answer is used this long without asking again. */
const FRESH_MS = 5_000
/** Where there is an older answer, a connection waits no longer than this for a new one. */
const PATIENCE_MS = 500
/**
 * How many names are looked up at a time. The system's resolver blocks one of libuv's four threads for each, for seconds when DNS is
 * dead.
 */
const MAX_ASKED = 2
/** How many names are remembered; those asked for longest ago are forgotten. */
const MAX_NAMES = 4_096

type Answer = (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void
type Resolver = (name: string, answer: Answer) => void

interface Name {
  addresses: LookupAddress[]
  answeredAt: number
  asking: boolean
  readonly waiting: Set<Answer>
}

const system: Resolver = (name, answer) => {
  systemLookup(name, { all: true }, (error, addresses) => answer(error, addresses ?? []))
}

/**
 * Addresses of targets that are configured by name. Each name is looked up once at a time, however many connections wait, and the last
 * good answer stays in use while the resolver fails or is silent.
 */
export class Names {
  readonly #resolver: Resolver
  readonly #clock: () => number
  readonly #names = new Map<string, Name>()
  readonly #queue: string[] = []
  #asked = 0

  constructor(resolver: Resolver = system, clock = () => performance.now()) {
    this.#resolver = resolver
    this.#clock = clock
  }

  /** For `socket.connect({ lookup })`. */
  readonly lookup = (
    hostname: string,
    options: LookupOptions,
    callback: (
      error: NodeJS.ErrnoException | null,
      address: string | LookupAddress[],
      family?: number,
    ) => void,
  ): void => {
    this.#resolve(hostname, (error, all) => {
      const family = options.family === 4 || options.family === 6 ? options.family : null
      const addresses = family === null ? all : all.filter((address) => address.family === family)
      const [first] = addresses
      if (error || !first) {
        const none = error ?? Object.assign(new Error(`${hostname} has no address`), { code: 'ENOTFOUND' })
        callback(none, options.all ? [] : '', 0)
      } else if (options.all) callback(null, addresses)
      else callback(null, first.address, first.family)
    })
  }

  #resolve(hostname: string, answer: Answer): void {
    const now = this.#clock()
    const name = this.#nameOf(hostname)
    if (name.addresses.length > 0 && now - name.answeredAt < FRESH_MS) {
      // Never in the same tick: the socket has no listeners yet.
      process.nextTick(answer, null, name.addresses)
      return
    }
    name.waiting.add(answer)
    if (name.addresses.length > 0) {
      const { addresses } = name
      setTimeout(() => {
        if (name.waiting.delete(answer)) answer(null, addresses)
      }, PATIENCE_MS).unref()
    }
    this.#ask(hostname, name)
  }

  #nameOf(hostname: string): Name {
    const known = this.#names.get(hostname)
    const name = known ?? { addresses: [], answeredAt: 0, asking: false, waiting: new Set<Answer>() }
    this.#names.delete(hostname)
    this.#names.set(hostname, name)
    if (this.#names.size > MAX_NAMES) {
      for (const [oldest, { waiting }] of this.#names) {
        if (waiting.size > 0) continue
        this.#names.delete(oldest)
        break
      }
    }
    return name
  }

  #ask(hostname: string, name: Name): void {
    if (name.asking) return
    name.asking = true
    this.#queue.push(hostname)
    this.#askNext()
  }

  #askNext(): void {
    while (this.#asked < MAX_ASKED) {
      const hostname = this.#queue.shift()
      if (hostname === undefined) return
      const name = this.#names.get(hostname)
      if (!name) continue
      this.#asked += 1
      this.#resolver(hostname, (error, addresses) => {
        this.#asked -= 1
        this.#answered(name, error, addresses)
        this.#askNext()
      })
    }
  }

  #answered(name: Name, error: NodeJS.ErrnoException | null, addresses: LookupAddress[]): void {
    name.asking = false
    if (addresses.length > 0) name.addresses = addresses
    // Also after a failure: the last good answer is not doubted again with every connection.
    name.answeredAt = this.#clock()
    const waiting = [...name.waiting]
    name.waiting.clear()
    for (const answer of waiting) answer(name.addresses.length > 0 ? null : error, name.addresses)
  }
}

/** Whether a target's host must be looked up at all. */
export const isName = (host: string): boolean => isIP(host) === 0
