import { z } from 'zod'
import { isoTime, pageSchema } from '../parts.ts'
import { ROLES } from '../states.ts'

export const apiTokenSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    role: z.enum(ROLES),
    createdAt: isoTime,
    expiresAt: isoTime.nullable(),
    lastUsedAt: isoTime.nullable(),
  })
  .meta({ id: 'ApiToken' })
export type ApiToken = z.infer<typeof apiTokenSchema>

export const apiTokenPageSchema = pageSchema(apiTokenSchema)

/** `POST /tokens`: the only answer that ever carries the token itself. */
export const newApiTokenSchema = apiTokenSchema
  .extend({ token: z.string().describe('The token itself; it is shown this once') })
  .meta({ id: 'NewApiToken' })
export type NewApiToken = z.infer<typeof newApiTokenSchema>
