import { Attempts } from './attempts.ts'
import { sourceOf } from './client-address.ts'

const windowMs = 15 * 60_000

/** Judged guesses of one account from one source, or from one device that has signed in before. */
const perSource = 10
/** Judged guesses of one account by strangers, wherever they come from. */
const perAccount = 20
/** Judged guesses of one source, whatever the account: guessing one password for many accounts costs as much as many for one. */
const perAddress = 100

/** As many keys as could be judged within a window several times over, so that none is forgotten before its time. */
const maxEntries = 50_000

/** Who guesses: of which account, from where, and by which device or session that has been signed in as that account. */
export interface Guess {
  account: string
  address: string | null
  /** Null for a stranger. Somebody who is known has a count of their own, which nobody else can use up. */
  knownAs: string | null
}

/** How often passwords may be guessed. A guess is taken before it is judged, so that a hundred at once are not all judged. */
export class Guesses {
  readonly #known: Attempts
  readonly #bySource: Attempts
  readonly #byAccount: Attempts
  readonly #byAddress: Attempts

  constructor(now: () => number) {
    const counting = (limit: number) => new Attempts({ limit, windowMs, maxEntries, now })
    this.#known = counting(perSource)
    this.#bySource = counting(perSource)
    this.#byAccount = counting(perAccount)
    this.#byAddress = counting(perAddress)
  }

  /** Throws `ERR_RATE_LIMITED` where another guess would be refused; counts nothing. */
  check(guess: Guess): void {
    for (const [attempts, key] of this.#limits(guess)) attempts.check(...key)
  }

  /** Counts a guess that is about to be judged. Throws as `check` does, and then counts nothing. */
  take(guess: Guess): void {
    this.check(guess)
    for (const [attempts, key] of this.#limits(guess)) attempts.take(...key)
  }

  /** It was right: its own count begins anew, and those that it shares get it back. */
  wasRight(guess: Guess): void {
    const [own, ...shared] = this.#limits(guess)
    if (own) own[0].forget(...own[1])
    for (const [attempts, key] of shared) attempts.giveBack(...key)
  }

  /** It could not be judged, right or wrong. */
  wasNotJudged(guess: Guess): void {
    for (const [attempts, key] of this.#limits(guess)) attempts.giveBack(...key)
  }

  #limits({ account, address, knownAs }: Guess): [Attempts, string[]][] {
    if (knownAs !== null) return [[this.#known, [account, knownAs]]]
    const source = sourceOf(address)
    return [
      [this.#bySource, [account, source]],
      [this.#byAccount, [account]],
      [this.#byAddress, [source]],
    ]
  }
}
