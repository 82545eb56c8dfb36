import { readFile } from 'node:fs/promises'
import { importPKCS8, SignJWT } from 'jose'
import { AppError } from '../../contract/errors.ts'

/**
 * APNs refuses tokens older than an hour, and more than one new token in 20 minutes. A token of this age is not sent any more, so
 * that none ever reaches the hour.
 */
export const PROVIDER_TOKEN_RENEW_MS = 50 * 60_000

type SigningKey = Awaited<ReturnType<typeof importPKCS8>>

export interface ProviderToken {
  /** The token that may be sent now, or null when `renew` must be awaited first. */
  current(): string | null
  /**
   * Makes a new token, once for all who ask at the same time. `stale` is the token that was refused: where it has been replaced
   * already nothing is signed, because APNs answers 429 TooManyProviderTokenUpdates to eager renewal.
   */
  renew(stale?: string): Promise<string>
}

/**
 * The ES256 token with which a provider proves itself ("Establishing a token-based connection to APNs"). Throws `ERR_CONFIG`
 * when the key file is missing or not a PKCS #8 key.
 */
export const createProviderToken = async (options: {
  keyPath: string
  keyId: string
  teamId: string
  now?: () => number
}): Promise<ProviderToken> => {
  const now = options.now ?? Date.now
  let key: SigningKey
  try {
    key = await importPKCS8(await readFile(options.keyPath, 'utf8'), 'ES256')
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new AppError(
      'ERR_CONFIG',
      `push.keyPath "${options.keyPath}" is not a readable PKCS #8 key for ES256: ${why}`,
      { keyPath: options.keyPath },
      { cause },
    )
  }
  let token: string | null = null
  let madeAt = 0
  let signing: Promise<string> | null = null

  const sign = async (): Promise<string> => {
    const at = now()
    const fresh = await new SignJWT({})
      .setProtectedHeader({ alg: 'ES256', kid: options.keyId })
      .setIssuer(options.teamId)
      .setIssuedAt(Math.floor(at / 1000))
      .sign(key)
    token = fresh
    madeAt = at
    return fresh
  }

  const current = (): string | null => {
    const age = now() - madeAt
    // A negative age means that the clock was set back: its `iat` would lie in the future.
    if (token === null || age < 0) return null
    return age >= PROVIDER_TOKEN_RENEW_MS ? null : token
  }

  return {
    current,
    renew(stale) {
      if (stale !== undefined && token !== null && token !== stale && current() !== null)
        return Promise.resolve(token)
      signing ??= sign().finally(() => {
        signing = null
      })
      return signing
    },
  }
}
