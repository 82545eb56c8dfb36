import { z } from 'zod'
import { checkOrigin } from '../auth/request.ts'
import { AppError, setupSchema } from '../contract/index.ts'
import type { Access } from './access.ts'
import type { ApiApp, ApiContext, ApiOptions } from './context.ts'
import { maxStrangerBytes, readBody } from './input.ts'

/** Not strict: clients of the sign-in library send fields of its own. */
const signInSchema = z.object({
  email: z.email('must be an e-mail address').max(254),
  password: z.string().min(1, 'must not be empty').max(128),
})

const setCookies = (context: ApiContext, cookies: readonly string[]): void => {
  for (const cookie of cookies) context.header('Set-Cookie', cookie, { append: true })
}

/** The three calls of `/api/auth` that exist; nothing else of the library behind them can be reached. */
export const addSignIn = (app: ApiApp, { open, requestOf }: Access, { auth }: ApiOptions): void => {
  app.post(
    '/sign-in/email',
    open(async (c) => {
      const { user, cookies } = await auth.signIn(
        requestOf(c),
        await readBody(c, signInSchema, maxStrangerBytes),
      )
      setCookies(c, cookies)
      return c.json({ user })
    }),
  )
  app.post(
    '/sign-out',
    open(async (c) => {
      setCookies(c, (await auth.signOut(requestOf(c))).cookies)
      return c.json({ success: true })
    }),
  )
  app.get(
    '/get-session',
    open(async (c) => {
      const caller = await auth.authenticate(requestOf(c))
      if (caller === null || caller.via !== 'session') return c.json(null)
      return c.json({
        session: {
          id: caller.sessionId,
          userId: caller.userId,
          expiresAt: caller.expiresAt === null ? null : new Date(caller.expiresAt).toISOString(),
        },
        user: { id: caller.userId, email: caller.name, name: caller.name, role: caller.role },
      })
    }),
  )
}

/** The first administrator, by the link that the server printed. */
export const addSetup = (app: ApiApp, { open, requestOf }: Access, { auth }: ApiOptions): void => {
  app.post(
    '/setup',
    open(async (c) => {
      const request = requestOf(c)
      if (!auth.needsSetup())
        throw new AppError('ERR_NOT_FOUND', 'The first administrator exists already', {})
      checkOrigin(request, auth.origins, false)
      return c.json(await auth.setUp(await readBody(c, setupSchema, maxStrangerBytes), request.address), 201)
    }),
  )
}
