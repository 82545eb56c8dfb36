import { decodeCursor, pageSize, toPage } from '../contract/cursor.ts'
import {
  type Annotation,
  AppError,
  INCIDENT_STATES,
  type Incident,
  type Page,
  type TimelineItem,
} from '../contract/index.ts'
import type { Connection, Run, SqlValue } from './connection.ts'
import type { Prisma, PrismaClient } from './generated/client.ts'
import type { StoredIncident } from './store.ts'
import { epochMs } from './time.ts'
import type { UnreadableRows } from './unreadable-rows.ts'

/** Rows of one incident's timeline that are not events; a flapping tunnel must not fill the disk with notes. */
const maxTimelineItems = 10_000

/** Annotations of one answer. */
const maxAnnotations = 1_000

const read = <T>(row: { data: string }): T => JSON.parse(row.data) as T

const conflict = (id: string, version: number, expectedVersion: number): AppError =>
  new AppError(
    'ERR_VERSION_CONFLICT',
    `Incident ${id} has version ${version}, not ${expectedVersion}: somebody else changed it`,
    { id, version },
  )

/** An incident whose record is damaged or gone can no longer close its signals: it must not keep them from others. */
const canHold = (data: SqlValue | undefined): boolean => {
  try {
    return typeof JSON.parse(String(data)) === 'object'
  } catch {
    return false
  }
}

const refuseHeld = async (run: Run, id: string, keys: readonly string[]): Promise<void> => {
  if (keys.length === 0) return
  const { rows } = await run(
    `SELECT "h"."key", "h"."incidentId", "h"."muted", "i"."data" FROM "held_signals" "h" LEFT JOIN "incidents" "i" ON "i"."id" = "h"."incidentId"
     WHERE "h"."incidentId" <> ? AND "h"."key" IN (${keys.map(() => '?').join(', ')})`,
    [id, ...keys],
  )
  for (const { key, incidentId, muted, data } of rows) {
    if (!canHold(data)) await run('DELETE FROM "held_signals" WHERE "key" = ?', [key ?? ''])
    else
      throw new AppError('ERR_CONFLICT', `Incident ${incidentId} holds the signal ${key} already`, {
        key,
        incidentId,
        muted: Number(muted) !== 0,
      })
  }
}

/** Writes which signals an incident holds from now on; of a hundred, one changes at a time. */
const hold = async (
  run: Run,
  id: string,
  wanted: readonly { key: string; muted: number }[],
): Promise<void> => {
  const { rows } = await run('SELECT "key", "muted" FROM "held_signals" WHERE "incidentId" = ?', [id])
  const held = new Map(rows.map(({ key, muted }) => [String(key), Number(muted)]))
  const still = new Map(wanted.map(({ key, muted }) => [key, muted]))
  for (const key of held.keys())
    if (!still.has(key)) await run('DELETE FROM "held_signals" WHERE "key" = ?', [key])
  for (const [key, muted] of still) {
    if (held.get(key) === muted) continue
    await run(
      `INSERT INTO "held_signals" ("key", "incidentId", "muted") VALUES (?, ?, ?)
       ON CONFLICT ("key") DO UPDATE SET "muted" = excluded."muted"`,
      [key, id, muted],
    )
  }
}

/** Inserts or replaces, with the signals that it holds, in one transaction. See `Store.saveIncident` for what it rejects with. */
export const saveIncident = (
  connection: Connection,
  { incident, version, resume, open, muted }: StoredIncident,
  expectedVersion: number,
  /** What is written beside it. */
  beside: (run: Run) => Promise<void> = async () => undefined,
): Promise<void> =>
  connection.transaction(async (run) => {
    const { id } = incident
    const { rows } = await run('SELECT "version" FROM "incidents" WHERE "id" = ?', [id])
    const found = rows[0] === undefined ? 0 : Number(rows[0].version)
    if (found !== expectedVersion) throw conflict(id, found, expectedVersion)
    await refuseHeld(run, id, [...open, ...muted])
    await run(
      `INSERT INTO "incidents" ("id", "state", "severity", "startedAt", "resolvedAt", "data", "version", "resume") VALUES (?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT ("id") DO UPDATE SET "state" = excluded."state", "severity" = excluded."severity", "startedAt" = excluded."startedAt",
         "resolvedAt" = excluded."resolvedAt", "data" = excluded."data", "version" = excluded."version", "resume" = excluded."resume"`,
      [
        id,
        incident.state,
        incident.severity,
        epochMs(incident.startedAt),
        incident.resolvedAt === undefined ? null : epochMs(incident.resolvedAt),
        JSON.stringify(incident),
        version,
        JSON.stringify(resume),
      ],
    )
    await hold(run, id, [
      ...open.map((key) => ({ key, muted: 0 })),
      ...muted.map((key) => ({ key, muted: 1 })),
    ])
    await beside(run)
  })

export const unmuteSignal = async (connection: Connection, key: string): Promise<void> => {
  await connection.query('DELETE FROM "held_signals" WHERE "key" = ? AND "muted" <> 0', [key])
}

/** What is kept beside an incident; it may be damaged without the incident itself being so. */
const resumeOf = (text: SqlValue | undefined): Record<string, unknown> => {
  try {
    const value: unknown = JSON.parse(String(text))
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

const readStored = async (
  connection: Connection,
  where: string,
  args: readonly SqlValue[],
  unreadable: UnreadableRows,
): Promise<StoredIncident[]> => {
  // Both in one turn: an incident and its signals must be from the same moment.
  const [{ rows }, { rows: held }] = await connection.exclusive(async (run) => [
    await run(
      `SELECT "id", "data", "version", "resume" FROM "incidents" WHERE ${where} ORDER BY "startedAt", "id"`,
      args,
    ),
    await run('SELECT "key", "incidentId", "muted" FROM "held_signals"'),
  ])
  const heldBy = Map.groupBy(held, (row) => String(row.incidentId))
  return rows.flatMap(({ id, data, version, resume }) => {
    const incident = unreadable.read('incidents', String(id), () => JSON.parse(String(data)) as Incident)
    if (incident === null) return []
    const keys = (isMuted: boolean): string[] =>
      (heldBy.get(String(id)) ?? [])
        .filter(({ muted }) => (Number(muted) !== 0) === isMuted)
        .map(({ key }) => String(key))
    return [
      { incident, version: Number(version), resume: resumeOf(resume), open: keys(false), muted: keys(true) },
    ]
  })
}

export const readStoredIncident = async (
  connection: Connection,
  id: string,
  unreadable: UnreadableRows,
): Promise<StoredIncident | null> => (await readStored(connection, '"id" = ?', [id], unreadable))[0] ?? null

/** Not resolved, resolved since (epoch ms), or with a muted signal; oldest first. */
export const readUnsettled = (
  connection: Connection,
  since: number,
  unreadable: UnreadableRows,
): Promise<StoredIncident[]> =>
  readStored(
    connection,
    `"state" <> 'resolved' OR "resolvedAt" >= ? OR "id" IN (SELECT "incidentId" FROM "held_signals" WHERE "muted" <> 0)`,
    [Math.trunc(since)],
    unreadable,
  )

export const readIncident = async (
  prisma: PrismaClient,
  id: string,
  unreadable: UnreadableRows,
): Promise<Incident | null> => {
  const row = await prisma.incident.findUnique({ where: { id } })
  return row ? unreadable.read('incidents', id, () => read<Incident>(row)) : null
}

/** States of a filter such as `open`, `open,acknowledged` or `active` (all but resolved). */
const statesOf = (status: string): string[] =>
  status
    .split(',')
    .flatMap((state) =>
      state === 'active' ? INCIDENT_STATES.filter((each) => each !== 'resolved') : [state],
    )

/** Newest first. `from` and `to` select what overlaps that time. */
export const readIncidents = async (
  prisma: PrismaClient,
  filter: { status?: string; from?: string; to?: string; limit?: number; cursor?: string },
  unreadable: UnreadableRows,
): Promise<Page<Incident>> => {
  const size = pageSize(filter.limit)
  const after = decodeCursor('incidents', filter.cursor, 'string')
  const and: Prisma.IncidentWhereInput[] = []
  if (filter.status !== undefined) and.push({ state: { in: statesOf(filter.status) } })
  if (filter.to !== undefined) and.push({ startedAt: { lt: BigInt(epochMs(filter.to)) } })
  if (filter.from !== undefined)
    and.push({ OR: [{ resolvedAt: null }, { resolvedAt: { gte: BigInt(epochMs(filter.from)) } }] })
  if (after) {
    const at = BigInt(after.at)
    and.push({ OR: [{ startedAt: { lt: at } }, { startedAt: at, id: { lt: String(after.id) } }] })
  }
  const rows = await prisma.incident.findMany({
    where: { AND: and },
    orderBy: [{ startedAt: 'desc' }, { id: 'desc' }],
    take: size + 1,
  })
  return toPage(
    'incidents',
    rows,
    size,
    (row) => ({ at: Number(row.startedAt), id: row.id }),
    (row) => unreadable.read('incidents', row.id, () => read<Incident>(row)),
  )
}

const isFull = async (run: Run, incidentId: string): Promise<boolean> => {
  const { rows } = await run('SELECT COUNT(*) AS "count" FROM "timeline_items" WHERE "incidentId" = ?', [
    incidentId,
  ])
  return Number(rows[0]?.count) >= maxTimelineItems
}

const writeTimelineItem = async (run: Run, incidentId: string, item: TimelineItem): Promise<void> => {
  await run(
    `INSERT INTO "timeline_items" ("incidentId", "id", "at", "data") VALUES (?, ?, ?, ?)
     ON CONFLICT ("incidentId", "id") DO UPDATE SET "at" = excluded."at", "data" = excluded."data"`,
    [incidentId, item.id, epochMs(item.at), JSON.stringify(item)],
  )
}

/** Adds the row within a transaction that must not fail because of it: beyond 10 000 rows it is left out. */
export const putTimelineItem = async (run: Run, incidentId: string, item: TimelineItem): Promise<void> => {
  if (!(await isFull(run, incidentId))) await writeTimelineItem(run, incidentId, item)
}

/** Writes the row, or replaces the one with the same id. Throws `ERR_CAPACITY` beyond 10 000 rows. */
export const addTimelineItem = async (
  connection: Connection,
  incidentId: string,
  item: TimelineItem,
): Promise<void> => {
  await connection.transaction(async (run) => {
    if (await isFull(run, incidentId)) {
      throw new AppError(
        'ERR_CAPACITY',
        `The timeline of incident ${incidentId} holds ${maxTimelineItems} rows, which is the most it may`,
        {
          incident: incidentId,
          limit: maxTimelineItems,
        },
      )
    }
    await writeTimelineItem(run, incidentId, item)
  })
}

export const readTimelineItems = async (
  prisma: PrismaClient,
  incidentId: string,
  unreadable: UnreadableRows,
): Promise<TimelineItem[]> => {
  const rows = await prisma.timelineItem.findMany({
    where: { incidentId },
    orderBy: [{ at: 'asc' }, { id: 'asc' }],
  })
  return rows
    .map((row) => unreadable.read('timeline_items', `${incidentId} ${row.id}`, () => read<TimelineItem>(row)))
    .filter((item) => item !== null)
}

export const addAnnotation = async (prisma: PrismaClient, annotation: Annotation): Promise<void> => {
  const at = BigInt(epochMs(annotation.at))
  await prisma.annotation.create({ data: { id: annotation.id, at, data: JSON.stringify(annotation) } })
}

export const readAnnotations = async (
  prisma: PrismaClient,
  filter: { from: string; to: string },
  unreadable: UnreadableRows,
): Promise<Annotation[]> => {
  const rows = await prisma.annotation.findMany({
    where: { at: { gte: BigInt(epochMs(filter.from)), lt: BigInt(epochMs(filter.to)) } },
    orderBy: [{ at: 'desc' }, { id: 'desc' }],
    take: maxAnnotations,
  })
  return rows
    .reverse()
    .map((row) => unreadable.read('annotations', row.id, () => read<Annotation>(row)))
    .filter((annotation) => annotation !== null)
}
