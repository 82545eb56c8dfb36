import { z } from 'zod'
import { setupSchema } from '../access.ts'
import { sessionSchema, signedInSchema, signedOutSchema } from '../answers/session.ts'
import { userSchema } from '../answers/user.ts'
import { route, V1 } from './route.ts'

const tag = 'Signing in'

/** Not strict: clients of the sign-in library send fields of its own. */
const signInSchema = z
  .object({
    email: z.email('must be an e-mail address').max(254).describe('What the user signs in with'),
    password: z.string().min(1, 'must not be empty').max(128).describe('Their password'),
  })
  .meta({
    description: 'Who signs in',
    examples: [{ email: 'ana@example.com', password: 'a long passphrase' }],
  })

/** What strangers may call to become known. */
export const signInRoutes = {
  setUp: route({
    method: 'POST',
    path: `${V1}/setup`,
    tag,
    role: null,
    summary: 'Creates the first administrator, by the link that the server printed',
    body: setupSchema,
    answer: userSchema,
    status: 201,
    errors: ['ERR_NOT_FOUND', 'ERR_CONFLICT', 'ERR_RATE_LIMITED'],
  }),
  signIn: route({
    method: 'POST',
    path: '/api/auth/sign-in/email',
    tag,
    role: null,
    summary: 'Signs in; the session is in the cookies of the answer',
    body: signInSchema,
    answer: signedInSchema,
    errors: ['ERR_UNAUTHENTICATED', 'ERR_RATE_LIMITED'],
  }),
  signOut: route({
    method: 'POST',
    path: '/api/auth/sign-out',
    tag,
    role: null,
    summary: 'Ends the session',
    answer: signedOutSchema,
  }),
  getSession: route({
    method: 'GET',
    path: '/api/auth/get-session',
    tag,
    role: null,
    summary: 'The session of the cookie; null without one',
    answer: sessionSchema.nullable(),
    errors: ['ERR_UNAUTHENTICATED', 'ERR_RATE_LIMITED'],
  }),
}
