import { decodeCursor, pageSize, toPage } from '../contract/cursor.ts'
import { AppError, type AuditRow, type Drain, isActiveDrain, type Page } from '../contract/index.ts'
import type { Log } from '../observe/log.ts'
import { insertAudit } from './audit.ts'
import type { Connection, Run, SqlValue } from './connection.ts'
import type { Prisma, PrismaClient } from './generated/client.ts'
import type { StoredDrain } from './store.ts'
import { epochMs } from './time.ts'

const subjectOf = (drain: Drain): string =>
  drain.node === undefined ? `region:${drain.region}` : `node:${drain.node}`

const nodesOf = (drain: Drain): Set<string> =>
  new Set([...drain.steps.map((step) => step.node), ...(drain.node === undefined ? [] : [drain.node])])

const overlaps = (a: Drain, b: Drain): boolean => {
  if (subjectOf(a) === subjectOf(b)) return true
  const nodes = nodesOf(b)
  return [...nodesOf(a)].some((node) => nodes.has(node))
}

const columnsOf = ({ drain, resume }: StoredDrain): SqlValue[] => [
  drain.region ?? null,
  drain.node ?? null,
  drain.state,
  isActiveDrain(drain) ? subjectOf(drain) : null,
  drain.version,
  epochMs(drain.createdAt),
  JSON.stringify(drain),
  JSON.stringify(resume),
]

/** Null for a row that is damaged: one unreadable drain must not hide the others. */
const read = (row: { data: unknown; resume: unknown }): StoredDrain | null => {
  try {
    const drain: unknown = JSON.parse(String(row.data))
    const resume: unknown = JSON.parse(String(row.resume))
    return isDrain(drain) && isRecord(resume) ? { drain, resume } : null
  } catch {
    return null // not JSON: the caller reports which row it is
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The fields that the orchestrator cannot do without; the rest of a record was written by us. */
const isDrain = (value: unknown): value is Drain =>
  isRecord(value) &&
  typeof value.id === 'string' &&
  typeof value.state === 'string' &&
  typeof value.version === 'number' &&
  isRecord(value.strategy) &&
  Array.isArray(value.steps) &&
  Array.isArray(value.moves)

const running = (wanted: Drain, other: Drain): AppError => {
  const [kind, id] = subjectOf(wanted).split(':')
  return new AppError(
    'ERR_DRAIN_RUNNING',
    `${kind === 'node' ? 'Node' : 'Region'} ${id} has been draining since ${other.createdAt} (${other.reason}); end that drain first`,
    { id, drainId: other.id, since: other.createdAt, by: other.createdBy, state: other.state },
  )
}

const refuseSecond = async (run: Run, { drain }: StoredDrain): Promise<void> => {
  if (!isActiveDrain(drain)) return
  const { rows } = await run(
    'SELECT "id", "data", "resume" FROM "drains" WHERE "activeKey" IS NOT NULL AND "id" <> ?',
    [drain.id],
  )
  for (const row of rows) {
    const other = read(row as { data: unknown; resume: unknown })?.drain
    // Nobody can end a damaged drain: it gives up its region, which could otherwise never be drained again.
    if (other === undefined)
      await run('UPDATE "drains" SET "activeKey" = NULL WHERE "id" = ?', [row.id ?? ''])
    else if (overlaps(drain, other)) throw running(drain, other)
  }
}

/** Part of the transaction that changes the drain: a refused change leaves no row that says it happened. */
const auditAll = async (run: Run, rows: readonly Omit<AuditRow, 'id'>[]): Promise<void> => {
  for (const row of rows) await insertAudit(run, row)
}

const conflict = (id: string, row: Record<string, unknown>, expectedVersion = 0): AppError => {
  const now = read(row as { data: unknown; resume: unknown })?.drain
  const version = Number(row.version)
  return new AppError(
    'ERR_VERSION_CONFLICT',
    now === undefined
      ? `Drain ${id} has version ${version}, not ${expectedVersion}, and its record is damaged`
      : `${now.updatedBy} changed drain ${id} at ${now.updatedAt}: it is ${now.state}, version ${version}, not ${expectedVersion}`,
    { by: now?.updatedBy ?? null, at: now?.updatedAt ?? null, version, state: now?.state ?? null },
  )
}

/**
 * Inserts, unless an active drain of the same region, or of one of the same nodes, exists (`ERR_DRAIN_RUNNING`), or this one does
 * (`ERR_VERSION_CONFLICT`).
 */
export const createDrain = (
  connection: Connection,
  stored: StoredDrain,
  audit: readonly Omit<AuditRow, 'id'>[] = [],
): Promise<void> =>
  connection.transaction(async (run) => {
    const { id } = stored.drain
    const { rows } = await run('SELECT "data", "resume", "version" FROM "drains" WHERE "id" = ?', [id])
    // The first write took so long that it was given up, and then succeeded after all.
    if (rows[0]) throw conflict(id, rows[0])
    await refuseSecond(run, stored)
    await run(
      'INSERT INTO "drains" ("region", "node", "state", "activeKey", "version", "createdAt", "data", "resume", "id") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
      [...columnsOf(stored), id],
    )
    await auditAll(run, audit)
  })

/** Replaces what still has the expected version; else `ERR_VERSION_CONFLICT` with who changed it, when, and the version now. */
export const saveDrain = (
  connection: Connection,
  stored: StoredDrain,
  expectedVersion: number,
  audit: readonly Omit<AuditRow, 'id'>[] = [],
): Promise<void> =>
  connection.transaction(async (run) => {
    const { id } = stored.drain
    const { rows } = await run('SELECT "data", "resume", "version" FROM "drains" WHERE "id" = ?', [id])
    const row = rows[0]
    if (!row) throw new AppError('ERR_NOT_FOUND', `There is no drain ${id}`, { id })
    if (Number(row.version) !== expectedVersion) throw conflict(id, row, expectedVersion)
    // A failed or aborted drain that is resumed becomes active again.
    await refuseSecond(run, stored)
    await run(
      'UPDATE "drains" SET "region" = ?, "node" = ?, "state" = ?, "activeKey" = ?, "version" = ?, "createdAt" = ?, "data" = ?, "resume" = ? WHERE "id" = ?',
      [...columnsOf(stored), id],
    )
    await auditAll(run, audit)
  })

export const readDrain = async (prisma: PrismaClient, id: string): Promise<StoredDrain | null> => {
  const row = await prisma.drain.findUnique({ where: { id } })
  return row ? read(row) : null
}

/** Newest first. Damaged rows are left out and logged. */
export const readDrains = async (
  prisma: PrismaClient,
  log: Pick<Log, 'error'>,
  filter: { active?: boolean; region?: string; limit?: number; cursor?: string },
): Promise<Page<StoredDrain>> => {
  const size = pageSize(filter.limit)
  const after = decodeCursor('drains', filter.cursor, 'string')
  const and: Prisma.DrainWhereInput[] = []
  if (filter.active !== undefined) and.push({ activeKey: filter.active ? { not: null } : null })
  if (filter.region !== undefined) and.push({ region: filter.region })
  if (after) {
    const at = BigInt(after.at)
    and.push({ OR: [{ createdAt: { lt: at } }, { createdAt: at, id: { lt: String(after.id) } }] })
  }
  const rows = await prisma.drain.findMany({
    where: { AND: and },
    orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
    take: size + 1,
  })
  const page = toPage(
    'drains',
    rows,
    size,
    (row) => ({ at: Number(row.createdAt), id: row.id }),
    (row) => {
      const stored = read(row)
      if (stored === null) log.error({ drain: row.id }, 'the record of a drain is damaged; it is left out')
      return stored
    },
  )
  return { ...page, items: page.items.filter((stored) => stored !== null) }
}
