import { decodeCursor, pageSize, toPage } from '../contract/cursor.ts'
import { AppError, type AuditRow, type Page } from '../contract/index.ts'
import { insertAudit } from './audit.ts'
import type { Connection } from './connection.ts'
import type { Prisma, PrismaClient } from './generated/client.ts'
import type { MaintenanceFilter, StoredMaintenance } from './store.ts'
import { epochMs } from './time.ts'
import type { UnreadableRows } from './unreadable-rows.ts'

/** How many windows are read at once. */
const pageOfSince = 500

type Audit = Omit<AuditRow, 'id'>

const parsed = (data: unknown): StoredMaintenance => JSON.parse(String(data)) as StoredMaintenance

/** Inserts a window; its audit row is written in the same transaction, before it. */
export const addMaintenance = (
  connection: Connection,
  window: StoredMaintenance,
  audit: Audit,
): Promise<void> =>
  connection.transaction(async (run) => {
    await insertAudit(run, audit)
    await run('INSERT INTO "maintenance_windows" ("id", "from", "to", "data") VALUES (?, ?, ?, ?)', [
      window.id,
      epochMs(window.from),
      epochMs(window.to),
      JSON.stringify(window),
    ])
  })

/** Replaces a window with its ended version, or removes it where that is null. See `Store.endMaintenance` for what it rejects with. */
export const endMaintenance = (
  connection: Connection,
  before: StoredMaintenance,
  ended: StoredMaintenance | null,
  audit: Audit,
): Promise<void> =>
  connection.transaction(async (run) => {
    const { id } = before
    await insertAudit(run, audit)
    const { changed } =
      ended === null
        ? await run('DELETE FROM "maintenance_windows" WHERE "id" = ? AND "to" = ?', [id, epochMs(before.to)])
        : await run('UPDATE "maintenance_windows" SET "to" = ?, "data" = ? WHERE "id" = ? AND "to" = ?', [
            epochMs(ended.to),
            JSON.stringify(ended),
            id,
            epochMs(before.to),
          ])
    // Thrown within the transaction: the audit row goes with it.
    if (changed === 0)
      throw new AppError('ERR_CONFLICT', `Somebody else has ended the maintenance window ${id} first`, { id })
  })

/** All windows that end after `at` (epoch ms), by their end: a window that was left out would silently cover nothing. */
export const readMaintenanceSince = async (
  prisma: PrismaClient,
  at: number,
  unreadable: UnreadableRows,
): Promise<StoredMaintenance[]> => {
  const windows: StoredMaintenance[] = []
  let where: Prisma.MaintenanceWindowWhereInput = { to: { gt: BigInt(Math.trunc(at)) } }
  for (;;) {
    const rows = await prisma.maintenanceWindow.findMany({
      where,
      orderBy: [{ to: 'asc' }, { id: 'asc' }],
      take: pageOfSince,
    })
    for (const row of rows) {
      const window = unreadable.read('maintenance_windows', row.id, () => parsed(row.data))
      if (window !== null) windows.push(window)
    }
    const last = rows.at(-1)
    if (last === undefined || rows.length < pageOfSince) return windows
    // A window that is ended meanwhile moves to before this place: this read has it with its later end, the next one corrects that.
    where = { OR: [{ to: { gt: last.to } }, { to: last.to, id: { gt: last.id } }] }
  }
}

export const readOneMaintenance = async (
  prisma: PrismaClient,
  id: string,
  unreadable: UnreadableRows,
): Promise<StoredMaintenance | null> => {
  const row = await prisma.maintenanceWindow.findUnique({ where: { id } })
  return row ? unreadable.read('maintenance_windows', id, () => parsed(row.data)) : null
}

/** The latest beginning first. */
export const readMaintenance = async (
  prisma: PrismaClient,
  { status, now, from, to, limit, cursor }: MaintenanceFilter,
  unreadable: UnreadableRows,
): Promise<Page<StoredMaintenance>> => {
  const size = pageSize(limit)
  const after = decodeCursor('maintenance', cursor, 'string')
  const at = BigInt(Math.trunc(now))
  const and: Prisma.MaintenanceWindowWhereInput[] = []
  if (status === 'planned') and.push({ from: { gt: at } })
  if (status === 'active') and.push({ from: { lte: at }, to: { gt: at } })
  if (status === 'past') and.push({ to: { lte: at } })
  if (from !== undefined) and.push({ to: { gt: BigInt(Math.trunc(from)) } })
  if (to !== undefined) and.push({ from: { lt: BigInt(Math.trunc(to)) } })
  if (after) {
    const start = BigInt(after.at)
    and.push({ OR: [{ from: { lt: start } }, { from: start, id: { lt: String(after.id) } }] })
  }
  const rows = await prisma.maintenanceWindow.findMany({
    where: { AND: and },
    orderBy: [{ from: 'desc' }, { id: 'desc' }],
    take: size + 1,
  })
  return toPage(
    'maintenance',
    rows,
    size,
    (row) => ({ at: Number(row.from), id: row.id }),
    (row) => unreadable.read('maintenance_windows', row.id, () => parsed(row.data)),
  )
}
