import type { Actor } from '../../contract/access.ts'
import type { Drain } from '../../contract/drains.ts'
import type { AuditInput } from './drain-record.ts'

/** The audit row of what an operator does to a drain. `at` in epoch ms. */
export const drainAudit = (
  actor: Actor,
  drain: Pick<Drain, 'id'>,
  deed: { action: string; at: number; before: unknown; after: unknown; reason: string | null },
): AuditInput => ({
  at: new Date(deed.at).toISOString(),
  actor: actor.name,
  address: actor.address,
  action: `drain.${deed.action}`,
  object: `drain:${drain.id}`,
  before: deed.before,
  after: deed.after,
  reason: deed.reason,
})
