import { decodeCursor, pageSize, toPage } from '../contract/cursor.ts'
import type { AuditRow, Page } from '../contract/index.ts'
import type { Run } from './connection.ts'
import type { PrismaClient, AuditRow as Row } from './generated/client.ts'
import { epochMs, isoTime } from './time.ts'

const text = (value: unknown): string | null =>
  value === undefined || value === null ? null : JSON.stringify(value)
/** A value that is not JSON is shown as its text: who did what matters more. */
const parsed = (value: string | null): unknown => {
  if (value === null) return null
  try {
    return JSON.parse(value)
  } catch {
    return value
  }
}

const toRow = (row: Row): AuditRow => ({
  id: row.id,
  at: isoTime(row.at),
  actor: row.actor,
  address: row.address,
  action: row.action,
  object: row.object,
  before: parsed(row.before),
  after: parsed(row.after),
  reason: row.reason,
})

/** `prisma` may be a transaction: the change and its audit row are then written together or not at all. */
export const writeAudit = async (
  prisma: Pick<PrismaClient, 'auditRow'>,
  row: Omit<AuditRow, 'id'>,
): Promise<void> => {
  await prisma.auditRow.create({
    data: { ...row, at: BigInt(epochMs(row.at)), before: text(row.before), after: text(row.after) },
  })
}

/** Writes the row on the store's own connection, within its caller's transaction. */
export const insertAudit = async (run: Run, row: Omit<AuditRow, 'id'>): Promise<void> => {
  await run(
    'INSERT INTO "audit_rows" ("at", "actor", "address", "action", "object", "before", "after", "reason") VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    [
      epochMs(row.at),
      row.actor,
      row.address,
      row.action,
      row.object,
      text(row.before),
      text(row.after),
      row.reason,
    ],
  )
}

/** Newest first. */
export const readAudit = async (
  prisma: PrismaClient,
  filter: { limit?: number; cursor?: string },
): Promise<Page<AuditRow>> => {
  const size = pageSize(filter.limit)
  const after = decodeCursor('audit', filter.cursor, 'number')
  const rows = await prisma.auditRow.findMany({
    ...(after ? { where: { id: { lt: Number(after.id) } } } : {}),
    orderBy: { id: 'desc' },
    take: size + 1,
  })
  return toPage('audit', rows, size, (row) => ({ at: Number(row.at), id: row.id }), toRow)
}
