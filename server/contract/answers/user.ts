import { z } from 'zod'
import { isoTime, pageSchema } from '../parts.ts'
import { ROLES } from '../states.ts'

export const userSchema = z
  .object({ id: z.string(), email: z.string(), role: z.enum(ROLES), createdAt: isoTime })
  .meta({ id: 'User' })
export type User = z.infer<typeof userSchema>

export const userPageSchema = pageSchema(userSchema)

/** `GET /me`: who is signed in. */
export const meSchema = z
  .object({
    email: z.string().describe('E-mail of the user, or "token:NAME"'),
    role: z.enum(ROLES),
    demo: z.boolean().describe('The demo fleet runs'),
  })
  .meta({ id: 'Me' })
export type Me = z.infer<typeof meSchema>
