import { readFile } from 'node:fs/promises'
import { importPKCS8, SignJWT } from 'jose'
import { AppError } from '../../contract/errors.ts'

/**
 * APNs refuses tokens older than an hour, and more than one new token in 20 minutes. A token of this age is not sent any more, so
 * that none ever reaches the hour.
 */
export const PROVIDER_TOKEN_RENEW_MS = 50 * 60_000

type SigningKey = Awaited<ReturnType<typeof importPKCS8>>

export interface ProviderTokenOptions {
  keyPath: string
  keyId: string
  teamId: string
  now?: () => number
}

/** The ES256 token with which a provider proves itself ("Establishing a token-based connection to APNs"). */
export class ProviderToken {
  readonly #options: ProviderTokenOptions
  readonly #key: SigningKey
  readonly #now: () => number
  #token: string | null = null
  #madeAt = 0
  #signing: Promise<string> | null = null

  private constructor(options: ProviderTokenOptions, key: SigningKey) {
    this.#options = options
    this.#key = key
    this.#now = options.now ?? Date.now
  }

  /** Reads the key; signs nothing yet. Throws `ERR_CONFIG` when the key file is missing or not a PKCS #8 key. */
  static async open(options: ProviderTokenOptions): Promise<ProviderToken> {
    const { keyPath } = options
    try {
      return new ProviderToken(options, await importPKCS8(await readFile(keyPath, 'utf8'), 'ES256'))
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      throw new AppError(
        'ERR_CONFIG',
        `push.keyPath "${keyPath}" is not a readable PKCS #8 key for ES256: ${why}`,
        { keyPath },
        { cause },
      )
    }
  }

  /** The token that may be sent now, or null when `renew` must be awaited first. */
  current(): string | null {
    const age = this.#now() - this.#madeAt
    // A negative age means that the clock was set back: its `iat` would lie in the future.
    if (this.#token === null || age < 0) return null
    return age >= PROVIDER_TOKEN_RENEW_MS ? null : this.#token
  }

  /**
   * Makes a new token, once for all who ask at the same time. `stale` is the token that was refused: where it has been replaced
   * already nothing is signed, because APNs answers 429 TooManyProviderTokenUpdates to eager renewal.
   */
  renew(stale?: string): Promise<string> {
    const current = this.current()
    if (stale !== undefined && current !== null && current !== stale) return Promise.resolve(current)
    this.#signing ??= this.#sign().finally(() => {
      this.#signing = null
    })
    return this.#signing
  }

  async #sign(): Promise<string> {
    const at = this.#now()
    const fresh = await new SignJWT({})
      .setProtectedHeader({ alg: 'ES256', kid: this.#options.keyId })
      .setIssuer(this.#options.teamId)
      .setIssuedAt(Math.floor(at / 1000))
      .sign(this.#key)
    this.#token = fresh
    this.#madeAt = at
    return fresh
  }
}
