import { createHash } from 'node:crypto'
import { AppError, ROLES, type Role } from '../contract/index.ts'
import type { Log } from '../observe/log.ts'
import type { Store } from '../store/store.ts'
import type { Caller } from './caller.ts'
import { type AccessRequest, headerOf } from './request.ts'
import type { SignIn } from './sign-in.ts'

/** How long a session that was found valid is honoured while the store cannot be read, in ms. */
const rememberedMs = 15 * 60_000

/** Sessions remembered at most; the ones used longest ago go first. */
const maxRemembered = 10_000

interface Remembered {
  caller: Omit<Caller, 'address' | 'expiresAt'> & { expiresAt: number }
  validatedAt: number
}

const roleOf = (value: unknown): Role => ROLES.find((role) => role === value) ?? 'viewer'

/**
 * Sessions by their cookie. Every request asks the database, so that what was revoked is over at once; the memory serves only
 * while the database cannot answer.
 */
export class Sessions {
  readonly #signIn: SignIn
  readonly #store: Store
  readonly #log: Log
  readonly #now: () => number
  readonly #remembered = new Map<string, Remembered>()

  constructor(options: { signIn: SignIn; store: Store; log: Log; now: () => number }) {
    this.#signIn = options.signIn
    this.#store = options.store
    this.#log = options.log
    this.#now = options.now
  }

  /** The value of the session cookie, signature included; null without one. */
  async cookieOf(request: AccessRequest): Promise<string | null> {
    const { authCookies } = await this.#signIn.$context
    const prefix = `${authCookies.sessionToken.name}=`
    for (const part of (headerOf(request, 'cookie') ?? '').split(';')) {
      const cookie = part.trim()
      if (cookie.startsWith(prefix)) return cookie.slice(prefix.length, prefix.length + 500)
    }
    return null
  }

  /** Who holds this session; null without a valid one. Throws `ERR_STORE_UNAVAILABLE` where that cannot be known. */
  async authenticate(request: AccessRequest): Promise<Caller | null> {
    const cookie = await this.cookieOf(request)
    if (cookie === null) return null
    const key = createHash('sha256').update(cookie).digest('base64url')
    try {
      const { authCookies } = await this.#signIn.$context
      const headers = new Headers({ cookie: `${authCookies.sessionToken.name}=${cookie}` })
      const found = await this.#signIn.api.getSession({ headers, query: { disableRefresh: true } })
      this.#remembered.delete(key)
      if (!found) return null
      const { session, user } = found
      const caller = {
        name: user.email,
        role: roleOf(user.role),
        via: 'session',
        sessionId: session.id,
        userId: user.id,
        tokenId: null,
        expiresAt: session.expiresAt.getTime(),
      } as const
      this.#remembered.set(key, { caller, validatedAt: this.#now() })
      this.#forgetOldest()
      return { ...caller, address: request.address }
    } catch (error) {
      return this.#fromMemory(key, request, error)
    }
  }

  /** Forgets a session that was ended, so that the memory does not honour it either. */
  forget(sessionId: string): void {
    for (const [key, { caller }] of this.#remembered)
      if (caller.sessionId === sessionId) this.#remembered.delete(key)
  }

  #fromMemory(key: string, request: AccessRequest, error: unknown): Caller {
    const now = this.#now()
    const known = this.#remembered.get(key)
    if (known && known.caller.expiresAt > now && now - known.validatedAt <= rememberedMs)
      return { ...known.caller, address: request.address }
    this.#log.warn({ err: error }, 'a session could not be looked up')
    const reason = this.#store.health().reason ?? 'the session could not be looked up'
    throw new AppError(
      'ERR_STORE_UNAVAILABLE',
      `Sessions cannot be checked at the moment: ${reason}`,
      { reason },
      { cause: error },
    )
  }

  #forgetOldest(): void {
    for (const key of this.#remembered.keys()) {
      if (this.#remembered.size <= maxRemembered) return
      this.#remembered.delete(key)
    }
  }
}
