import { createHash, randomBytes } from 'node:crypto'
import { ulid } from 'ulid'
import { type ApiToken, AppError, type Role } from '../contract/index.ts'
import type { Log } from '../observe/log.ts'
import type { Store, StoredApiToken } from '../store/store.ts'
import { sameBytes } from '../wire/same-secret.ts'
import { Attempts } from './attempts.ts'
import type { Caller } from './caller.ts'
import { sourceOf } from './client-address.ts'

/** Shortest `TIDEGATE_API_TOKEN`, in characters. */
export const minApiTokenLength = 32

/** Tokens there may be at once. */
const maxTokens = 1_000

/** `lastUsedAt` is written at most this often, in ms: a poller must not cost a disk write a request. */
const touchEveryMs = 60_000

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest()

const shown = ({ hash: _hash, ...token }: StoredApiToken): ApiToken => token

/**
 * API tokens by the hash of their value. They are held in memory, so that they are honoured while the store is away; this
 * process is the only one that changes them.
 */
export class ApiTokens {
  readonly #store: Store
  readonly #log: Log
  readonly #now: () => number
  readonly #fromEnvironment: Buffer | null
  readonly #wrong: Attempts
  readonly #byHash = new Map<string, StoredApiToken>()

  /** Throws `ERR_CONFIG` for a token of the environment that is too short. */
  constructor(options: { store: Store; log: Log; now: () => number; apiToken?: string | undefined }) {
    this.#store = options.store
    this.#log = options.log
    this.#now = options.now
    if (options.apiToken !== undefined && options.apiToken.length < minApiTokenLength) {
      throw new AppError(
        'ERR_CONFIG',
        `TIDEGATE_API_TOKEN has ${options.apiToken.length} characters; it needs at least ${minApiTokenLength}`,
        {
          problems: [
            { path: 'TIDEGATE_API_TOKEN', message: `must have at least ${minApiTokenLength} characters` },
          ],
        },
      )
    }
    this.#fromEnvironment = options.apiToken === undefined ? null : sha256(options.apiToken)
    this.#wrong = new Attempts({ limit: 10, windowMs: 15 * 60_000, now: options.now })
  }

  async load(): Promise<void> {
    this.#byHash.clear()
    for (const token of await this.#store.apiTokens()) this.#byHash.set(token.hash, token)
  }

  /** Who holds this token. Throws `ERR_UNAUTHENTICATED`, and `ERR_RATE_LIMITED` for the same wrong token again and again. */
  authenticate(value: string, address: string | null): Caller {
    const hash = sha256(value)
    const caller = { via: 'token', address, sessionId: null, userId: null } as const
    if (this.#fromEnvironment !== null && sameBytes(hash, this.#fromEnvironment)) {
      return { ...caller, name: 'token:environment', role: 'admin', tokenId: null, expiresAt: null }
    }
    // The lookup is by hash: its timing reveals something about the hash, and nothing useful about the token.
    const token = this.#byHash.get(hash.toString('hex'))
    if (token === undefined) {
      this.#wrong.take(value, sourceOf(address))
      throw new AppError('ERR_UNAUTHENTICATED', 'This API token is not known here')
    }
    const now = this.#now()
    if (token.expiresAt !== null && Date.parse(token.expiresAt) <= now) {
      throw new AppError('ERR_UNAUTHENTICATED', `This API token expired at ${token.expiresAt}`, {
        expiresAt: token.expiresAt,
      })
    }
    if (token.lastUsedAt === null || now - Date.parse(token.lastUsedAt) >= touchEveryMs)
      this.#touch(token, now)
    return {
      ...caller,
      name: `token:${token.name}`,
      role: token.role,
      tokenId: token.id,
      expiresAt: token.expiresAt === null ? null : Date.parse(token.expiresAt),
    }
  }

  /** Newest first, without hashes. */
  list(): ApiToken[] {
    return [...this.#byHash.values()].sort((a, b) => (a.id < b.id ? 1 : -1)).map(shown)
  }

  find(id: string): ApiToken | null {
    for (const token of this.#byHash.values()) if (token.id === id) return shown(token)
    return null
  }

  /** Checks what is asked for, before anything is written. Throws `ERR_INVALID`, `ERR_CAPACITY`. */
  check(request: { expiresAt?: string | undefined }): void {
    if (request.expiresAt !== undefined && Date.parse(request.expiresAt) <= this.#now()) {
      throw new AppError('ERR_INVALID', 'The token would have expired already', {
        problems: [{ path: 'expiresAt', message: 'must be in the future' }],
      })
    }
    if (this.#byHash.size >= maxTokens) {
      throw new AppError('ERR_CAPACITY', `There are ${maxTokens} API tokens already; remove one first`, {
        limit: maxTokens,
      })
    }
  }

  /** The only moment at which the token's value exists here. */
  async create(request: {
    name: string
    role: Role
    expiresAt?: string | undefined
  }): Promise<ApiToken & { token: string }> {
    const value = `tg_${randomBytes(32).toString('base64url')}`
    const now = this.#now()
    const stored: StoredApiToken = {
      id: ulid(now),
      name: request.name,
      role: request.role,
      createdAt: new Date(now).toISOString(),
      expiresAt: request.expiresAt === undefined ? null : new Date(request.expiresAt).toISOString(),
      lastUsedAt: null,
      hash: sha256(value).toString('hex'),
    }
    await this.#store.addApiToken(stored)
    this.#byHash.set(stored.hash, stored)
    return { ...shown(stored), token: value }
  }

  async remove(id: string): Promise<ApiToken | null> {
    const token = [...this.#byHash.values()].find((each) => each.id === id)
    if (!token) return null
    await this.#store.removeApiToken(id)
    this.#byHash.delete(token.hash)
    return shown(token)
  }

  #touch(token: StoredApiToken, now: number): void {
    token.lastUsedAt = new Date(now).toISOString()
    this.#store.touchApiToken(token.id, token.lastUsedAt).catch((error: unknown) => {
      this.#log.debug({ err: error }, 'the last use of an API token could not be written')
    })
  }
}
