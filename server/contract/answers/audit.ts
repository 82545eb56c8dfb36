import { z } from 'zod'
import { count, isoTime, pageSchema } from '../parts.ts'

export const auditRowSchema = z
  .object({
    id: count,
    at: isoTime,
    actor: z.string(),
    address: z.string().nullable(),
    action: z.string(),
    object: z.string(),
    before: z.unknown(),
    after: z.unknown(),
    reason: z.string().nullable(),
  })
  .meta({ id: 'AuditRow', description: 'Who did what to which object, from where, and why' })
export type AuditRow = z.infer<typeof auditRowSchema>

export const auditPageSchema = pageSchema(auditRowSchema)
