import { betterAuth } from 'better-auth'
import { prismaAdapter } from 'better-auth/adapters/prisma'
import type { Log } from '../observe/log.ts'
import type { PrismaClient } from '../store/sqlite-store.ts'
import type { Passwords } from './passwords.ts'

export interface SignInOptions {
  prisma: PrismaClient
  secret: string
  /** The address that people open, without a path. */
  serverUrl: string
  origins: readonly string[]
  passwords: Passwords
  log: Log
}

/** Header that carries the client's address into better-auth; whatever a client sends under this name is replaced. */
export const addressHeader = 'x-tidegate-address'

/** What the names of all cookies begin with. Cookies ignore ports: two servers on one machine would sign each other's users out. */
export const cookiePrefixOf = (serverUrl: string): string => {
  const { port } = new URL(serverUrl)
  return port === '' ? 'tidegate' : `tidegate-${port}`
}

const days = 24 * 60 * 60

/** better-auth, with nothing but e-mail and password: no sign-up, no cookie cache, no telemetry, no rate limit of its own. */
export const createSignIn = (options: SignInOptions) => {
  const { log } = options
  const url = new URL(options.serverUrl)
  return betterAuth({
    appName: 'Tidegate',
    baseURL: url.origin,
    basePath: '/api/auth',
    secret: options.secret,
    trustedOrigins: [...options.origins],
    database: prismaAdapter(options.prisma, { provider: 'sqlite' }),
    emailAndPassword: {
      enabled: true,
      disableSignUp: true,
      minPasswordLength: 1,
      maxPasswordLength: 128,
      password: {
        hash: (password) => options.passwords.hash(password),
        verify: (stored) => options.passwords.verify(stored),
      },
    },
    session: { expiresIn: 7 * days, updateAge: days, cookieCache: { enabled: false } },
    user: {
      additionalFields: { role: { type: 'string', required: true, defaultValue: 'viewer', input: false } },
    },
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
    logger: {
      level: 'warn',
      log: (level, message) =>
        log[level === 'error' ? 'error' : level === 'warn' ? 'warn' : 'debug'](
          { from: 'better-auth' },
          message,
        ),
    },
    advanced: {
      useSecureCookies: url.protocol === 'https:',
      cookiePrefix: cookiePrefixOf(options.serverUrl),
      defaultCookieAttributes: { httpOnly: true, sameSite: 'lax', path: '/' },
      ipAddress: { ipAddressHeaders: [addressHeader] },
    },
  })
}

export type SignIn = ReturnType<typeof createSignIn>
