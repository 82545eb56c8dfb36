import { ACTIVE_DRAIN_STATES, AppError, type Drain, type Page } from '../contract/index.ts'
import type { Connection, Run, SqlValue } from './connection.ts'
import { decodeCursor, pageSize, toPage } from './cursor.ts'
import type { Prisma, PrismaClient } from './generated/client.ts'
import type { StoredDrain } from './store.ts'
import { epochMs } from './time.ts'

/** True while the drain owns its region or node. With `exit` it is over once drained: the node has left. */
export const isActive = (drain: Drain): boolean =>
  ACTIVE_DRAIN_STATES.includes(drain.state) && !(drain.state === 'drained' && drain.strategy.mode === 'exit')

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
  isActive(drain) ? subjectOf(drain) : null,
  drain.version,
  epochMs(drain.createdAt),
  JSON.stringify(drain),
  JSON.stringify(resume),
]

const read = (row: { data: unknown; resume: unknown }): StoredDrain => ({
  drain: JSON.parse(String(row.data)) as Drain,
  resume: JSON.parse(String(row.resume)) as Record<string, unknown>,
})

const running = (wanted: Drain, other: Drain): AppError => {
  const [kind, id] = subjectOf(wanted).split(':')
  return new AppError(
    'ERR_DRAIN_RUNNING',
    `${kind === 'node' ? 'Node' : 'Region'} ${id} has been draining since ${other.createdAt} (${other.reason}); end that drain first`,
    { id, drainId: other.id, since: other.createdAt, by: other.createdBy, state: other.state },
  )
}

const refuseSecond = async (run: Run, { drain }: StoredDrain): Promise<void> => {
  if (!isActive(drain)) return
  const { rows } = await run(
    'SELECT "data", "resume" FROM "drains" WHERE "activeKey" IS NOT NULL AND "id" <> ?',
    [drain.id],
  )
  for (const row of rows) {
    const other = read(row as { data: unknown; resume: unknown }).drain
    if (overlaps(drain, other)) throw running(drain, other)
  }
}

/** Inserts, unless an active drain of the same region, or of one of the same nodes, exists: `ERR_DRAIN_RUNNING`. */
export const createDrain = (connection: Connection, stored: StoredDrain): Promise<void> =>
  connection.transaction(async (run) => {
    await refuseSecond(run, stored)
    await run(
      'INSERT INTO "drains" ("region", "node", "state", "activeKey", "version", "createdAt", "data", "resume", "id") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
      [...columnsOf(stored), stored.drain.id],
    )
  })

/** Replaces what still has the expected version; else `ERR_VERSION_CONFLICT` with who changed it, when, and the version now. */
export const saveDrain = (
  connection: Connection,
  stored: StoredDrain,
  expectedVersion: number,
): Promise<void> =>
  connection.transaction(async (run) => {
    const { id } = stored.drain
    const { rows } = await run('SELECT "data", "resume", "version" FROM "drains" WHERE "id" = ?', [id])
    const row = rows[0]
    if (!row) throw new AppError('ERR_NOT_FOUND', `There is no drain ${id}`, { id })
    if (Number(row.version) !== expectedVersion) {
      const now = read(row as { data: unknown; resume: unknown }).drain
      throw new AppError(
        'ERR_VERSION_CONFLICT',
        `${now.updatedBy} changed drain ${id} at ${now.updatedAt}: it is ${now.state}, version ${now.version}, not ${expectedVersion}`,
        { by: now.updatedBy, at: now.updatedAt, version: now.version, state: now.state },
      )
    }
    // A failed or aborted drain that is resumed becomes active again.
    await refuseSecond(run, stored)
    await run(
      'UPDATE "drains" SET "region" = ?, "node" = ?, "state" = ?, "activeKey" = ?, "version" = ?, "createdAt" = ?, "data" = ?, "resume" = ? WHERE "id" = ?',
      [...columnsOf(stored), id],
    )
  })

export const readDrain = async (prisma: PrismaClient, id: string): Promise<StoredDrain | null> => {
  const row = await prisma.drain.findUnique({ where: { id } })
  return row ? read(row) : null
}

/** Newest first. */
export const readDrains = async (
  prisma: PrismaClient,
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
  return toPage('drains', rows, size, (row) => ({ at: Number(row.createdAt), id: row.id }), read)
}
