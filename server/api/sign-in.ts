import { checkOrigin } from '../auth/request.ts'
import type { signInRoutes } from '../contract/api/sign-in.ts'
import { AppError } from '../contract/index.ts'
import type { Access } from './access.ts'
import type { ApiContext, ApiOptions } from './context.ts'
import type { Handlers } from './serve.ts'

const setCookies = (context: ApiContext, cookies: readonly string[]): void => {
  for (const cookie of cookies) context.header('Set-Cookie', cookie, { append: true })
}

/** What strangers may call: the three calls of `/api/auth`, nothing else of the library behind them, and the first set-up. */
export const signInHandlers = ({ auth }: ApiOptions, access: Access): Handlers<typeof signInRoutes> => ({
  /** The first administrator, by the link that the server printed. */
  async setUp({ body, context }) {
    const request = access.requestOf(context)
    if (!auth.needsSetup()) throw new AppError('ERR_NOT_FOUND', 'The first administrator exists already', {})
    checkOrigin(request, auth.origins, false)
    return auth.setUp(await body(), request.address)
  },
  async signIn({ body, context }) {
    const { user, cookies } = await auth.signIn(access.requestOf(context), await body())
    setCookies(context, cookies)
    return { user }
  },
  async signOut({ context }) {
    setCookies(context, (await auth.signOut(access.requestOf(context))).cookies)
    return { success: true }
  },
  async getSession({ context }) {
    const caller = await auth.authenticate(access.requestOf(context))
    if (caller === null || caller.via !== 'session') return null
    return {
      session: {
        id: caller.sessionId,
        userId: caller.userId,
        expiresAt: caller.expiresAt === null ? null : new Date(caller.expiresAt).toISOString(),
      },
      user: { id: caller.userId, email: caller.name, name: caller.name, role: caller.role },
    }
  },
})
