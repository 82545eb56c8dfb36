import { z } from 'zod'
import { ROLES, type Role } from './states.ts'
import { line } from './text.ts'

export type { AuditRow } from './answers/audit.ts'
export type { SystemInfo } from './answers/system.ts'
export type { ApiToken, NewApiToken } from './answers/token.ts'
export type { Me, User } from './answers/user.ts'

export const emailSchema = z.email('must be an e-mail address, for example ana@example.com').max(254)
/** At least 8 characters, as NIST SP 800-63B §5.1.1 asks; length rules beyond that make people write passwords down. */
export const passwordSchema = z.string().min(8, 'must have at least 8 characters').max(128)

export const userCreateSchema = z
  .object({ email: emailSchema, password: passwordSchema, role: z.enum(ROLES) })
  .strict()
export const userPatchSchema = z
  .object({ role: z.enum(ROLES).optional(), password: passwordSchema.optional() })
  .strict()
export const tokenCreateSchema = z
  .object({
    name: line(100),
    role: z.enum(ROLES),
    expiresAt: z.iso.datetime().optional(),
  })
  .strict()
export const setupSchema = z
  .object({ key: z.string().min(1).max(200), email: emailSchema, password: passwordSchema })
  .strict()

/** Who calls, after authentication. */
export interface Actor {
  /** E-mail of the user, or `token:<name>`. */
  name: string
  role: Role
  address: string | null
}
