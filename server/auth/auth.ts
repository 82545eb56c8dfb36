import type { IncomingMessage } from 'node:http'
import { AppError, type Role, roleAllows, type User } from '../contract/index.ts'
import type { Log } from '../observe/log.ts'
import type { PrismaClient } from '../store/sqlite-store.ts'
import type { Store } from '../store/store.ts'
import { Administration } from './administration.ts'
import { ApiTokens } from './api-tokens.ts'
import { AuditTrail } from './audit-trail.ts'
import type { Caller, Revocation } from './caller.ts'
import { type ClientAddresses, createClientAddresses } from './client-address.ts'
import { DeviceCookie } from './device-cookie.ts'
import { Passwords } from './passwords.ts'
import { type AccessRequest, bearerOf, checkMediaType, checkOrigin, isMutation } from './request.ts'
import { Revocations } from './revocations.ts'
import { authSecret } from './secret.ts'
import { Sessions } from './sessions.ts'
import { SetupLink } from './setup.ts'
import { cookiePrefixOf, createSignIn } from './sign-in.ts'
import { type SignedIn, SignInDesk } from './sign-in-desk.ts'
import { TokenDesk } from './token-desk.ts'
import { UserDesk } from './user-desk.ts'
import { Users } from './users.ts'

export type { Caller, Revocation } from './caller.ts'
export type { AccessRequest } from './request.ts'
export type { SignedIn } from './sign-in-desk.ts'

export interface AuthOptions {
  store: Store
  prisma: PrismaClient
  /** Where the secret of the sessions is kept. */
  dataDir: string
  /** The address that people open; its scheme decides whether cookies are `Secure`. */
  serverUrl: string
  /** Exact origins from which a browser may change things. Default: that of `serverUrl`. */
  origins?: readonly string[]
  adminEmail?: string | null | undefined
  adminPassword?: string | null | undefined
  /** `TIDEGATE_API_TOKEN`. */
  apiToken?: string | null | undefined
  /** Where requests come from. Default: no proxy is believed. */
  clients?: ClientAddresses
  /** Hashes passwords; for tests. */
  passwords?: Passwords
  log: Log
  /** Epoch ms; for tests. */
  now?: () => number
}

/** Sessions, tokens and people. One room decides who may do what; every handler asks it first. */
export class Auth {
  readonly origins: readonly string[]
  readonly users: UserDesk
  readonly tokens: TokenDesk
  readonly #options: AuthOptions
  readonly #clients: ClientAddresses
  readonly #passwords: Passwords
  readonly #tokens: ApiTokens
  readonly #sessions: Sessions
  readonly #revocations: Revocations
  readonly #administration: Administration
  readonly #signInDesk: SignInDesk

  constructor(options: AuthOptions) {
    const { store, prisma, log, serverUrl } = options
    const now = options.now ?? Date.now
    const passwords = options.passwords ?? new Passwords()
    const secret = authSecret(options.dataDir)
    this.#options = options
    this.origins = options.origins ?? [new URL(serverUrl).origin]
    this.#clients = options.clients ?? createClientAddresses([])
    this.#passwords = passwords
    const signIn = createSignIn({ prisma, secret, serverUrl, origins: this.origins, passwords, log })
    const users = new Users({ prisma, passwords, now })
    const audit = new AuditTrail(store, now)
    this.#tokens = new ApiTokens({ store, log, now, apiToken: options.apiToken ?? undefined })
    this.#sessions = new Sessions({ signIn, store, log, now })
    this.#revocations = new Revocations(this.#sessions, log)
    const setup = new SetupLink({ store, users, serverUrl, now })
    this.#administration = new Administration({ store, users, setup, log })
    this.#signInDesk = new SignInDesk({
      store,
      prisma,
      signIn,
      sessions: this.#sessions,
      users,
      passwords,
      devices: new DeviceCookie({ secret, prefix: cookiePrefixOf(serverUrl), now }),
      revocations: this.#revocations,
      audit,
      origins: this.origins,
      isTls: new URL(serverUrl).protocol === 'https:',
      log,
      now,
    })
    this.users = new UserDesk({
      store,
      users,
      administration: this.#administration,
      revocations: this.#revocations,
    })
    this.tokens = new TokenDesk(this.#tokens, audit, this.#revocations)
  }

  /**
   * Reads the tokens, and creates the first administrator or the set-up link. Throws `ERR_CONFIG` for a bad administrator or token of
   * the environment.
   */
  async open(): Promise<void> {
    await this.#tokens.load()
    await this.#administration.open(this.#options.adminEmail, this.#options.adminPassword)
  }

  /** Who calls; null without credentials. Throws `ERR_UNAUTHENTICATED` for a wrong token, `ERR_RATE_LIMITED`, `ERR_STORE_UNAVAILABLE`. */
  async authenticate(request: AccessRequest): Promise<Caller | null> {
    const bearer = bearerOf(request)
    return bearer === null
      ? this.#sessions.authenticate(request)
      : this.#tokens.authenticate(bearer, request.address)
  }

  /**
   * The check that every handler makes before anything else. Throws `ERR_UNAUTHENTICATED`, `ERR_FORBIDDEN`, and for a change
   * made with a cookie `ERR_ORIGIN` and `ERR_MEDIA_TYPE`.
   */
  async requireRole(request: AccessRequest, role: Role): Promise<Caller> {
    const caller = await this.authenticate(request)
    if (caller === null) throw new AppError('ERR_UNAUTHENTICATED', 'Sign in, or send an API token')
    if (caller.via === 'session' && isMutation(request.method)) {
      checkOrigin(request, this.origins, true)
      checkMediaType(request)
    }
    if (!roleAllows(caller.role, role)) {
      throw new AppError('ERR_FORBIDDEN', `This needs the ${role} role; yours is ${caller.role}`, {
        needed: role,
        role: caller.role,
      })
    }
    return caller
  }

  /** As the desk says. */
  signIn(request: AccessRequest, body: { email: string; password: string }): Promise<SignedIn> {
    return this.#signInDesk.signIn(request, body)
  }

  signOut(request: AccessRequest): Promise<{ cookies: string[] }> {
    return this.#signInDesk.signOut(request)
  }

  /** For `/live`: as `authenticate`, from Node's own request. */
  async authenticateUpgrade(
    request: IncomingMessage,
  ): Promise<(Pick<Caller, 'name' | 'sessionId' | 'tokenId' | 'expiresAt'> & { bearer: boolean }) | null> {
    const caller = await this.authenticate(this.#requestOf(request))
    if (caller === null) return null
    const { name, sessionId, tokenId, expiresAt } = caller
    return { name, sessionId, tokenId, expiresAt, bearer: caller.via === 'token' }
  }

  /** True where the request carries a valid session; never throws. */
  async hasSession(request: IncomingMessage): Promise<boolean> {
    try {
      return (await this.#sessions.authenticate(this.#requestOf(request))) !== null
    } catch (error) {
      this.#options.log.debug({ err: error }, 'a page was requested while sessions could not be checked')
      return false
    }
  }

  /** For the machine's owner. Ends the user's sessions. Throws `ERR_NOT_FOUND`, `ERR_INVALID`. */
  resetPassword(email: string, password: string): Promise<void> {
    return this.users.resetPassword(email, password)
  }

  /** Link to `/setup` while there is no administrator; null otherwise, and once it is an hour old. */
  setupLink(): string | null {
    return this.#administration.link
  }

  /** True while there is no administrator. */
  needsSetup(): boolean {
    return !this.#administration.hasAdmin
  }

  /** The first administrator, by the link. Throws as the link does. */
  setUp(body: { key: string; email: string; password: string }, address: string | null): Promise<User> {
    return this.#administration.setUp(body, address)
  }

  /** Calls when a session or token ends before its time; answers how to stop that. */
  onRevoked(listener: (revocation: Revocation) => void): () => void {
    return this.#revocations.listen(listener)
  }

  /** Sign-ins that wait for their turn, those sent away, and those that failed. */
  signInFigures(): { waiting: number; refused: number; failed: number } {
    return { ...this.#passwords.figures, failed: this.#signInDesk.failed }
  }

  /** Stops calling listeners. Sessions and tokens stay as they are. */
  async close(): Promise<void> {
    this.#revocations.close()
    await this.#passwords.close()
  }

  #requestOf(request: IncomingMessage): AccessRequest {
    return {
      method: request.method ?? 'GET',
      headers: request.headers,
      address: this.#clients.addressOf(request),
    }
  }
}

/** Access that is open. Throws as `Auth.open` does. */
export const createAuth = async (options: AuthOptions): Promise<Auth> => {
  const auth = new Auth(options)
  await auth.open()
  return auth
}
