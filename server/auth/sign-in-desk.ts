import { AppError, type Role } from '../contract/index.ts'
import type { Log } from '../observe/log.ts'
import type { PrismaClient } from '../store/sqlite-store.ts'
import type { Store } from '../store/store.ts'
import type { AuditTrail } from './audit-trail.ts'
import type { Caller } from './caller.ts'
import type { DeviceCookie } from './device-cookie.ts'
import { type Guess, Guesses } from './guesses.ts'
import type { Passwords } from './passwords.ts'
import { type AccessRequest, checkOrigin, headerOf } from './request.ts'
import type { Revocations } from './revocations.ts'
import type { Sessions } from './sessions.ts'
import { addressHeader, type SignIn } from './sign-in.ts'
import { withStore } from './store-guard.ts'
import type { Users } from './users.ts'

export interface SignedIn {
  user: { id: string; email: string; role: Role }
  /** `Set-Cookie` values for the answer. */
  cookies: string[]
}

export interface SignInDeskOptions {
  store: Store
  prisma: PrismaClient
  signIn: SignIn
  sessions: Sessions
  users: Users
  passwords: Passwords
  devices: DeviceCookie
  revocations: Revocations
  audit: AuditTrail
  origins: readonly string[]
  /** The address that people open is https: cookies are `Secure`. */
  isTls: boolean
  log: Log
  now: () => number
}

/** Rows that failed sign-ins may add to the audit within a quarter of an hour. */
const MAX_FAILURE_ROWS = 500
const FAILURE_WINDOW_MS = 15 * 60_000

/** Lets people in and out: guesses are limited, passwords wait for their turn, and every sign-in begins a session of its own. */
export class SignInDesk {
  readonly #options: SignInDeskOptions
  readonly #guesses: Guesses
  #failures = { count: 0, endsAt: 0 }
  #failed = 0

  constructor(options: SignInDeskOptions) {
    this.#options = options
    this.#guesses = new Guesses(options.now)
  }

  /** Sign-ins that failed since the start. */
  get failed(): number {
    return this.#failed
  }

  /**
   * Throws `ERR_UNAUTHENTICATED` for a wrong address or password, `ERR_RATE_LIMITED` from the eleventh wrong guess on, and
   * `ERR_CAPACITY` while too many others sign in.
   */
  async signIn(request: AccessRequest, body: { email: string; password: string }): Promise<SignedIn> {
    const { origins, devices, passwords, store, users, audit, isTls } = this.#options
    checkOrigin(request, origins, false)
    const email = body.email.toLowerCase()
    const before = await this.#sessionBefore(request)
    const device = devices.deviceOf(request, email)
    const guess: Guess = {
      account: email,
      address: request.address,
      knownAs: device ?? (before?.name === email ? before.userId : null),
    }
    // Refused before it waits for its turn, and looked at again when the turn has come.
    this.#guesses.check(guess)
    const response = await passwords.inTurn(guess.knownAs === null ? 'stranger' : 'known', () =>
      this.#judge(request, guess, body.password),
    )
    const { user } = (await response.json()) as { user: { id: string } }
    const known = await withStore(store, () => users.find(user.id))
    if (known === null) throw wrongCredentials()
    // Rotated at login: the session that this browser had before ends.
    if (before?.sessionId) await this.#endSession(before.sessionId)
    await audit.write({ name: email, role: 'viewer', address: request.address }, 'auth.sign_in', email)
    const secure = isTls || request.encrypted === true
    const cookies = response.headers.getSetCookie().map((each) => withSecure(each, secure))
    return {
      user: { id: known.id, email: known.email, role: known.role },
      cookies: [...cookies, devices.issue(email, device, secure)],
    }
  }

  async signOut(request: AccessRequest): Promise<{ cookies: string[] }> {
    const { sessions, origins, audit, signIn } = this.#options
    const caller = await sessions.authenticate(request)
    if (caller !== null) checkOrigin(request, origins, true)
    if (caller?.sessionId) {
      await this.#endSession(caller.sessionId)
      await audit.write(caller, 'auth.sign_out', caller.name)
    }
    // The session is gone; this only gets the cookies that remove it from the browser.
    const response = await signIn.api.signOut({
      headers: new Headers({ cookie: headerOf(request, 'cookie') ?? '' }),
      asResponse: true,
    })
    return { cookies: response.headers.getSetCookie() }
  }

  async #endSession(id: string): Promise<void> {
    const { store, prisma, revocations } = this.#options
    await withStore(store, () => prisma.session.deleteMany({ where: { id } }))
    revocations.sessionsEnded([id])
  }

  /** The session that the browser has while it signs in; where that cannot be known, it is treated as a stranger. */
  async #sessionBefore(request: AccessRequest): Promise<Caller | null> {
    try {
      return await this.#options.sessions.authenticate(request)
    } catch {
      return null
    }
  }

  /** Judges one guess: the answer of the sign-in where it was right. Throws as `signIn` does. */
  async #judge(request: AccessRequest, guess: Guess, password: string): Promise<Response> {
    this.#guesses.take(guess)
    const headers = new Headers({
      [addressHeader]: guess.address ?? '',
      'user-agent': (headerOf(request, 'user-agent') ?? '').slice(0, 300),
    })
    let response: Response
    try {
      const body = { email: guess.account, password }
      response = await this.#options.signIn.api.signInEmail({ body, headers, asResponse: true })
    } catch (error) {
      this.#guesses.wasNotJudged(guess)
      throw error
    }
    if (response.status === 401 || response.status === 400) {
      await this.#noteFailure(guess)
      throw wrongCredentials()
    }
    if (response.status !== 200) {
      this.#guesses.wasNotJudged(guess)
      const { reason } = this.#options.store.health()
      if (reason === null) throw new Error(`the sign-in answered ${response.status}`)
      throw new AppError('ERR_STORE_UNAVAILABLE', `Nobody can sign in at the moment: ${reason}`, { reason })
    }
    this.#guesses.wasRight(guess)
    return response
  }

  /** Strangers write these rows: beyond a number that somebody reads, the log counts them. */
  async #noteFailure({ account, address }: Guess): Promise<void> {
    const { now, audit, log } = this.#options
    this.#failed++
    if (this.#failures.endsAt <= now()) this.#failures = { count: 0, endsAt: now() + FAILURE_WINDOW_MS }
    this.#failures.count++
    if (this.#failures.count <= MAX_FAILURE_ROWS)
      return audit.write({ name: account, role: 'viewer', address }, 'auth.sign_in_failed', account)
    if (this.#failures.count === MAX_FAILURE_ROWS + 1)
      log.warn(
        { limit: MAX_FAILURE_ROWS },
        'so many sign-ins failed within a quarter of an hour that the audit leaves out the rest',
      )
  }
}

const withSecure = (cookie: string, secure: boolean): string =>
  secure && !/; *secure(?:;|$)/i.test(cookie) ? `${cookie}; Secure` : cookie

const wrongCredentials = () =>
  new AppError('ERR_UNAUTHENTICATED', 'The e-mail address or the password is wrong')
