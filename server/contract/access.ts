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

const emailField = emailSchema.describe('What the user signs in with')
const passwordField = passwordSchema.describe('8 to 128 characters')
const roleField = z
  .enum(ROLES)
  .describe('`viewer` reads, `operator` also drains and acts on incidents, `admin` does everything')

export const userCreateSchema = z
  .object({ email: emailField, password: passwordField, role: roleField })
  .strict()
  .meta({
    description: 'A new user',
    examples: [{ email: 'ana@example.com', password: 'choose a long passphrase', role: 'operator' }],
  })
export const userPatchSchema = z
  .object({ role: roleField.optional(), password: passwordField.optional() })
  .strict()
  .meta({
    description: 'What changes; the rest stays as it is',
    examples: [{ role: 'viewer' }, { password: 'choose a long passphrase' }],
  })
export const tokenCreateSchema = z
  .object({
    name: line(100).describe('What uses it; the audit shows it as `token:NAME`'),
    role: roleField,
    expiresAt: z.iso.datetime().describe('When it stops working; never, where this is left out').optional(),
  })
  .strict()
  .meta({
    description: 'A new API token',
    examples: [{ name: 'deploy pipeline', role: 'operator', expiresAt: '2027-04-27T18:00:00Z' }],
  })
export const setupSchema = z
  .object({
    key: z.string().min(1).max(200).describe('The key in the link that the server printed'),
    email: emailField,
    password: passwordField,
  })
  .strict()
  .meta({
    description: 'The first administrator',
    examples: [
      { key: 'the key of the link', email: 'ana@example.com', password: 'choose a long passphrase' },
    ],
  })

/** Who calls, after authentication. */
export interface Actor {
  /** E-mail of the user, or `token:<name>`. */
  name: string
  role: Role
  address: string | null
}
