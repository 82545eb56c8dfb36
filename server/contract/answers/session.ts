import { z } from 'zod'
import { isoTime } from '../parts.ts'
import { ROLES } from '../states.ts'

/** `POST /api/auth/sign-in/email`; the session itself is in the cookies. */
export const signedInSchema = z
  .object({ user: z.object({ id: z.string(), email: z.string(), role: z.enum(ROLES) }) })
  .meta({ id: 'SignedIn' })

/** `POST /api/auth/sign-out`. */
export const signedOutSchema = z.object({ success: z.literal(true) }).meta({ id: 'SignedOut' })

/** `GET /api/auth/get-session`: null without a session. */
export const sessionSchema = z
  .object({
    session: z.object({
      id: z.string().nullable(),
      userId: z.string().nullable(),
      expiresAt: isoTime.nullable(),
    }),
    user: z.object({ id: z.string().nullable(), email: z.string(), name: z.string(), role: z.enum(ROLES) }),
  })
  .meta({ id: 'Session' })
