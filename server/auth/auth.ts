import type { IncomingMessage } from 'node:http'
import {
  type Actor,
  type ApiToken,
  AppError,
  emailSchema,
  type Problem,
  passwordSchema,
  type Role,
  roleAllows,
  type User,
} from '../contract/index.ts'
import type { Log } from '../observe/log.ts'
import type { PrismaClient } from '../store/sqlite-store.ts'
import type { Store } from '../store/store.ts'
import { ApiTokens } from './api-tokens.ts'
import type { Caller, Revocation } from './caller.ts'
import { type ClientAddresses, createClientAddresses } from './client-address.ts'
import { DeviceCookie } from './device-cookie.ts'
import { type Guess, Guesses } from './guesses.ts'
import { Passwords } from './passwords.ts'
import { type AccessRequest, bearerOf, checkMediaType, checkOrigin, headerOf, isMutation } from './request.ts'
import { authSecret } from './secret.ts'
import { Sessions } from './sessions.ts'
import { SetupLink } from './setup.ts'
import { addressHeader, cookiePrefixOf, createSignIn } from './sign-in.ts'
import { Users } from './users.ts'

export type { Caller, Revocation } from './caller.ts'
export type { AccessRequest } from './request.ts'

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

export interface SignedIn {
  user: { id: string; email: string; role: Role }
  /** `Set-Cookie` values for the answer. */
  cookies: string[]
}

export interface Auth {
  /** Who calls; null without credentials. Throws `ERR_UNAUTHENTICATED` for a wrong token, `ERR_RATE_LIMITED`, `ERR_STORE_UNAVAILABLE`. */
  authenticate(request: AccessRequest): Promise<Caller | null>
  /**
   * The check that every handler makes before anything else. Throws `ERR_UNAUTHENTICATED`, `ERR_FORBIDDEN`, and for a change
   * made with a cookie `ERR_ORIGIN` and `ERR_MEDIA_TYPE`.
   */
  requireRole(request: AccessRequest, role: Role): Promise<Caller>
  /**
   * Throws `ERR_UNAUTHENTICATED` for a wrong address or password, `ERR_RATE_LIMITED` from the eleventh wrong guess on, and
   * `ERR_CAPACITY` while too many others sign in.
   */
  signIn(request: AccessRequest, body: { email: string; password: string }): Promise<SignedIn>
  signOut(request: AccessRequest): Promise<{ cookies: string[] }>
  /** For `/live`: as `authenticate`, from Node's own request. */
  authenticateUpgrade(
    request: IncomingMessage,
  ): Promise<(Pick<Caller, 'name' | 'sessionId' | 'tokenId' | 'expiresAt'> & { bearer: boolean }) | null>
  /** True where the request carries a valid session; never throws. */
  hasSession(request: IncomingMessage): Promise<boolean>
  /** For the machine's owner. Ends the user's sessions. Throws `ERR_NOT_FOUND`, `ERR_INVALID`. */
  resetPassword(email: string, password: string): Promise<void>
  /** Link to `/setup` while there is no administrator; null otherwise, and once it is an hour old. */
  setupLink(): string | null
  /** True while there is no administrator. */
  needsSetup(): boolean
  setUp(body: { key: string; email: string; password: string }, address: string | null): Promise<User>
  /** Calls when a session or token ends before its time; answers how to stop that. */
  onRevoked(listener: (revocation: Revocation) => void): () => void
  /** Stops calling listeners. Sessions and tokens stay as they are. */
  close(): Promise<void>
  readonly origins: readonly string[]
  /** Sign-ins that wait for their turn, those sent away, and those that failed. */
  signInFigures(): { waiting: number; refused: number; failed: number }
  readonly users: {
    list(): Promise<User[]>
    find(id: string): Promise<User | null>
    create(body: { email: string; password: string; role: Role }, actor: Actor): Promise<User>
    change(
      id: string,
      patch: { role?: Role | undefined; password?: string | undefined },
      actor: Actor,
    ): Promise<User>
    remove(id: string, actor: Actor): Promise<void>
  }
  readonly tokens: {
    list(): ApiToken[]
    create(
      body: { name: string; role: Role; expiresAt?: string | undefined },
      actor: Actor,
    ): Promise<ApiToken & { token: string }>
    remove(id: string, actor: Actor): Promise<void>
  }
}

/** Rows that failed sign-ins may add to the audit within a quarter of an hour. */
const maxFailureRows = 500
const failureWindowMs = 15 * 60_000

const withSecure = (cookie: string, secure: boolean): string =>
  secure && !/; *secure(?:;|$)/i.test(cookie) ? `${cookie}; Secure` : cookie

const wrongCredentials = () =>
  new AppError('ERR_UNAUTHENTICATED', 'The e-mail address or the password is wrong')

/**
 * Sessions, tokens and people. One room decides who may do what; every handler asks it first. Reads the tokens, and makes the
 * first administrator or the set-up link. Throws `ERR_CONFIG` for a bad administrator or token of the environment.
 */
export const createAuth = async (options: AuthOptions): Promise<Auth> => {
  const { store, log } = options
  const now = options.now ?? Date.now
  const origins = options.origins ?? [new URL(options.serverUrl).origin]
  const clients = options.clients ?? createClientAddresses([])
  const passwords = options.passwords ?? new Passwords()
  const secret = authSecret(options.dataDir)
  const signIn = createSignIn({
    prisma: options.prisma,
    secret,
    serverUrl: options.serverUrl,
    origins,
    passwords,
    log,
  })
  const devices = new DeviceCookie({ secret, prefix: cookiePrefixOf(options.serverUrl), now })
  const tokens = new ApiTokens({ store, log, now, apiToken: options.apiToken ?? undefined })
  const users = new Users({ prisma: options.prisma, passwords, now })
  const sessions = new Sessions({ signIn, store, log, now })
  const setup = new SetupLink({ store, users, serverUrl: options.serverUrl, now })
  const guesses = new Guesses(now)
  let failures = { count: 0, endsAt: 0 }
  let signInsFailed = 0
  const isTls = new URL(options.serverUrl).protocol === 'https:'
  const listeners = new Set<(revocation: Revocation) => void>()
  let hasAdmin = false

  const guard = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      const { ok, reason } = store.health()
      if (error instanceof AppError || ok) throw error
      throw new AppError(
        'ERR_STORE_UNAVAILABLE',
        `The store is unavailable: ${reason}`,
        { reason },
        { cause: error },
      )
    }
  }

  const revoked = (revocation: Revocation) => {
    if (revocation.sessionId !== null) sessions.forget(revocation.sessionId)
    for (const listener of listeners) {
      try {
        listener(revocation)
      } catch (error) {
        log.error({ err: error }, 'a listener failed at a revocation')
      }
    }
  }
  const endSessions = (ids: readonly string[]) => {
    for (const sessionId of ids) revoked({ sessionId, tokenId: null })
  }

  const audit = (
    actor: Actor,
    action: string,
    object: string,
    change: { before?: unknown; after?: unknown } = {},
  ) =>
    store.audit({
      at: new Date(now()).toISOString(),
      actor: actor.name.slice(0, 254),
      address: actor.address,
      action,
      object: object.slice(0, 254),
      before: change.before ?? null,
      after: change.after ?? null,
      reason: null,
    })

  const authenticate = async (request: AccessRequest): Promise<Caller | null> => {
    const bearer = bearerOf(request)
    return bearer === null ? sessions.authenticate(request) : tokens.authenticate(bearer, request.address)
  }

  const nodeRequest = (request: IncomingMessage): AccessRequest => ({
    method: request.method ?? 'GET',
    headers: request.headers,
    address: clients.addressOf(request),
  })

  /** The session that the browser has while it signs in; where that cannot be known it is a stranger. */
  const sessionBefore = async (request: AccessRequest): Promise<Caller | null> => {
    try {
      return await sessions.authenticate(request)
    } catch {
      return null
    }
  }

  /** Strangers write these rows: beyond a number that somebody reads, the log counts them. */
  const noteFailure = async ({ account, address }: Guess): Promise<void> => {
    signInsFailed++
    if (failures.endsAt <= now()) failures = { count: 0, endsAt: now() + failureWindowMs }
    failures.count++
    if (failures.count <= maxFailureRows)
      return audit({ name: account, role: 'viewer', address }, 'auth.sign_in_failed', account)
    if (failures.count === maxFailureRows + 1)
      log.warn(
        { limit: maxFailureRows },
        'so many sign-ins failed within a quarter of an hour that the audit leaves out the rest',
      )
  }

  /** Judges one guess: the answer of the sign-in where it was right. Throws as `signIn` does. */
  const judge = async (request: AccessRequest, guess: Guess, password: string): Promise<Response> => {
    guesses.take(guess)
    const headers = new Headers({
      [addressHeader]: guess.address ?? '',
      'user-agent': (headerOf(request, 'user-agent') ?? '').slice(0, 300),
    })
    let response: Response
    try {
      const body = { email: guess.account, password }
      response = await signIn.api.signInEmail({ body, headers, asResponse: true })
    } catch (error) {
      guesses.wasNotJudged(guess)
      throw error
    }
    if (response.status === 401 || response.status === 400) {
      await noteFailure(guess)
      throw wrongCredentials()
    }
    if (response.status !== 200) {
      guesses.wasNotJudged(guess)
      const reason = store.health().reason
      if (reason === null) throw new Error(`the sign-in answered ${response.status}`)
      throw new AppError('ERR_STORE_UNAVAILABLE', `Nobody can sign in at the moment: ${reason}`, { reason })
    }
    guesses.wasRight(guess)
    return response
  }

  const makeFirstAdmin = async (email: string, password: string) => {
    const problems: Problem[] = []
    const note = (
      path: string,
      checked: { success: boolean; error?: { issues: { message: string }[] } | undefined },
    ) => {
      for (const issue of checked.error?.issues ?? []) problems.push({ path, message: issue.message })
    }
    note('TIDEGATE_ADMIN_EMAIL', emailSchema.safeParse(email))
    note('TIDEGATE_ADMIN_PASSWORD', passwordSchema.safeParse(password))
    if (problems.length > 0) {
      const sentence = problems.map(({ path, message }) => `${path} ${message}`).join('; ')
      throw new AppError('ERR_CONFIG', `The first administrator cannot be made: ${sentence}`, { problems })
    }
    await users.createFirst({ email, password }, { name: 'environment', role: 'admin', address: null })
    log.info({ email }, 'the first administrator was made from the environment')
  }

  const { adminEmail, adminPassword } = options
  await tokens.load()
  hasAdmin = await guard(() => users.hasAdmin())
  if (!hasAdmin && adminEmail && adminPassword) {
    await guard(() => makeFirstAdmin(adminEmail, adminPassword))
    hasAdmin = true
  }
  await (hasAdmin ? setup.end() : setup.renew())

  return {
    origins,
    signInFigures: () => ({ ...passwords.figures, failed: signInsFailed }),

    authenticate,

    async requireRole(request, role) {
      const caller = await authenticate(request)
      if (caller === null) throw new AppError('ERR_UNAUTHENTICATED', 'Sign in, or send an API token')
      if (caller.via === 'session' && isMutation(request.method)) {
        checkOrigin(request, origins, true)
        checkMediaType(request)
      }
      if (!roleAllows(caller.role, role)) {
        throw new AppError('ERR_FORBIDDEN', `This needs the role ${role}; you are ${caller.role}`, {
          needed: role,
          role: caller.role,
        })
      }
      return caller
    },

    async signIn(request, body) {
      checkOrigin(request, origins, false)
      const email = body.email.toLowerCase()
      const before = await sessionBefore(request)
      const device = devices.deviceOf(request, email)
      const guess: Guess = {
        account: email,
        address: request.address,
        knownAs: device ?? (before?.name === email ? before.userId : null),
      }
      // Refused before it waits for its turn, and looked at again when the turn has come.
      guesses.check(guess)
      const response = await passwords.inTurn(guess.knownAs === null ? 'stranger' : 'known', () =>
        judge(request, guess, body.password),
      )
      const { user } = (await response.json()) as { user: { id: string } }
      const known = await guard(() => users.find(user.id))
      if (known === null) throw wrongCredentials()
      // Rotated at login: the session that this browser had before ends.
      if (before?.sessionId) {
        const { sessionId } = before
        await guard(() => options.prisma.session.deleteMany({ where: { id: sessionId } }))
        endSessions([sessionId])
      }
      await audit({ name: email, role: 'viewer', address: request.address }, 'auth.sign_in', email)
      const secure = isTls || request.encrypted === true
      const cookies = response.headers.getSetCookie().map((each) => withSecure(each, secure))
      return {
        user: { id: known.id, email: known.email, role: known.role },
        cookies: [...cookies, devices.issue(email, device, secure)],
      }
    },

    async signOut(request) {
      const caller = await sessions.authenticate(request)
      if (caller !== null) checkOrigin(request, origins, true)
      if (caller?.sessionId) {
        const { sessionId } = caller
        await guard(() => options.prisma.session.deleteMany({ where: { id: sessionId } }))
        endSessions([sessionId])
        await audit(caller, 'auth.sign_out', caller.name)
      }
      // The session is gone; this is for the cookies that tell the browser so.
      const response = await signIn.api.signOut({
        headers: new Headers({ cookie: headerOf(request, 'cookie') ?? '' }),
        asResponse: true,
      })
      return { cookies: response.headers.getSetCookie() }
    },

    async authenticateUpgrade(request) {
      const caller = await authenticate(nodeRequest(request))
      if (caller === null) return null
      const { name, sessionId, tokenId, expiresAt } = caller
      return { name, sessionId, tokenId, expiresAt, bearer: caller.via === 'token' }
    },

    async hasSession(request) {
      try {
        return (await sessions.authenticate(nodeRequest(request))) !== null
      } catch (error) {
        log.debug({ err: error }, 'a page was asked for while sessions cannot be checked')
        return false
      }
    },

    async resetPassword(email, password) {
      const checked = passwordSchema.safeParse(password)
      if (!checked.success) {
        const problems = checked.error.issues.map(({ message }) => ({ path: 'password', message }))
        throw new AppError(
          'ERR_INVALID',
          `The password ${problems.map(({ message }) => message).join('; ')}`,
          { problems },
        )
      }
      const user = (await guard(() => users.list())).find((each) => each.email === email.toLowerCase())
      if (!user) throw new AppError('ERR_NOT_FOUND', `There is no user ${email}`, { email })
      const { ended } = await guard(() =>
        users.change(user.id, { password }, { name: 'owner', role: 'admin', address: null }),
      )
      endSessions(ended)
    },

    setupLink: () => (hasAdmin ? null : setup.url),
    needsSetup: () => !hasAdmin,
    async setUp(body, address) {
      const user = await guard(() => setup.use(body, address))
      hasAdmin = true
      return user
    },

    onRevoked(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },

    async close() {
      listeners.clear()
      await passwords.close()
    },

    users: {
      list: () => guard(() => users.list()),
      find: (id) => guard(() => users.find(id)),
      async create(body, actor) {
        const user = await guard(() => users.create(body, actor))
        if (user.role === 'admin' && !hasAdmin) {
          hasAdmin = true
          await setup.end()
        }
        return user
      },
      async change(id, patch, actor) {
        const { user, ended } = await guard(() => users.change(id, patch, actor))
        endSessions(ended)
        return user
      },
      async remove(id, actor) {
        endSessions(await guard(() => users.remove(id, actor)))
      },
    },

    tokens: {
      list: () => tokens.list(),
      async create(body, actor) {
        tokens.check(body)
        await audit(actor, 'token.create', body.name, {
          after: { role: body.role, expiresAt: body.expiresAt ?? null },
        })
        return tokens.create(body)
      },
      async remove(id, actor) {
        const token = tokens.find(id)
        if (token === null) throw new AppError('ERR_NOT_FOUND', `There is no API token ${id}`, { id })
        await audit(actor, 'token.remove', token.name, {
          before: { role: token.role, expiresAt: token.expiresAt },
        })
        await tokens.remove(id)
        revoked({ sessionId: null, tokenId: id })
      },
    },
  }
}
