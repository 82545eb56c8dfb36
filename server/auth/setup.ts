import { createHash, randomBytes } from 'node:crypto'
import { AppError, type User } from '../contract/index.ts'
import type { Store } from '../store/store.ts'
import { sameBytes } from '../wire/same-secret.ts'
import { Attempts } from './attempts.ts'
import { sourceOf } from './client-address.ts'
import type { Users } from './users.ts'

const settingKey = 'auth.setup'
const validMs = 60 * 60_000

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest()

interface Pending {
  hash: string
  expiresAt: number
}

const gone = () =>
  new AppError(
    'ERR_NOT_FOUND',
    'This set-up link is over: it was used, or is older than an hour. A restart prints a new one while there is no administrator',
    {},
  )

/** The link by which the first administrator is made in a browser: good for an hour and for one use. */
export class SetupLink {
  readonly #store: Store
  readonly #users: Users
  readonly #serverUrl: string
  readonly #now: () => number
  readonly #wrong: Attempts
  #link: { url: string; expiresAt: number } | null = null

  constructor(options: { store: Store; users: Users; serverUrl: string; now: () => number }) {
    this.#store = options.store
    this.#users = options.users
    this.#serverUrl = options.serverUrl
    this.#now = options.now
    this.#wrong = new Attempts({ limit: 10, windowMs: 15 * 60_000, now: options.now })
  }

  /** The link to print, or null where there is none (any more). */
  get url(): string | null {
    return this.#link !== null && this.#link.expiresAt > this.#now() ? this.#link.url : null
  }

  /** Makes a new key; older links end. Only its hash is kept. */
  async renew(): Promise<void> {
    const key = randomBytes(32).toString('base64url')
    const expiresAt = this.#now() + validMs
    const pending: Pending = { hash: sha256(key).toString('hex'), expiresAt }
    await this.#store.setSetting(settingKey, JSON.stringify(pending))
    this.#link = { url: `${new URL(this.#serverUrl).origin}/setup?key=${key}`, expiresAt }
  }

  /** Ends the link, because an administrator exists. */
  async end(): Promise<void> {
    this.#link = null
    await this.#store.setSetting(settingKey, null)
  }

  /** Uses the link. Throws `ERR_NOT_FOUND` once it is over, `ERR_UNAUTHENTICATED` for a wrong key, `ERR_RATE_LIMITED`. */
  async use(
    request: { key: string; email: string; password: string },
    address: string | null,
  ): Promise<User> {
    const text = await this.#store.setting(settingKey)
    const pending = text === null ? null : (JSON.parse(text) as Pending)
    if (pending === null || pending.expiresAt <= this.#now()) throw gone()
    this.#wrong.take(sourceOf(address))
    const hash = sha256(request.key)
    if (!sameBytes(hash, Buffer.from(pending.hash, 'hex'))) {
      throw new AppError(
        'ERR_UNAUTHENTICATED',
        'This set-up key is wrong; use the link as it was printed at the last start',
      )
    }
    // The key and the user in one transaction: of two people with the link, one becomes the administrator.
    const user = await this.#users.createFirst(
      request,
      { name: 'setup', role: 'admin', address },
      async (tx) =>
        (await tx.setting.deleteMany({ where: { key: settingKey, value: text as string } })).count === 1,
    )
    if (user === null) throw gone()
    this.#link = null
    this.#wrong.forget(sourceOf(address))
    return user
  }
}
