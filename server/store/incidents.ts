import { decodeCursor, pageSize, toPage } from '../contract/cursor.ts'
import {
  type Annotation,
  AppError,
  INCIDENT_STATES,
  type Incident,
  type Page,
  type TimelineItem,
} from '../contract/index.ts'
import type { Connection } from './connection.ts'
import type { Prisma, PrismaClient } from './generated/client.ts'
import { epochMs } from './time.ts'
import type { UnreadableRows } from './unreadable-rows.ts'

/** Rows of one incident's timeline that are not events; a flapping tunnel must not fill the disk with notes. */
const maxTimelineItems = 10_000

/** Annotations of one answer. */
const maxAnnotations = 1_000

const read = <T>(row: { data: string }): T => JSON.parse(row.data) as T

export const saveIncident = async (prisma: PrismaClient, incident: Incident): Promise<void> => {
  const columns = {
    state: incident.state,
    severity: incident.severity,
    startedAt: BigInt(epochMs(incident.startedAt)),
    resolvedAt: incident.resolvedAt ? BigInt(epochMs(incident.resolvedAt)) : null,
    data: JSON.stringify(incident),
  }
  await prisma.incident.upsert({
    where: { id: incident.id },
    create: { id: incident.id, ...columns },
    update: columns,
  })
}

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

/** Writes the row, or replaces the one with the same id. Throws `ERR_CAPACITY` beyond 10 000 rows. */
export const addTimelineItem = async (
  connection: Connection,
  incidentId: string,
  item: TimelineItem,
): Promise<void> => {
  await connection.transaction(async (run) => {
    const { rows } = await run('SELECT COUNT(*) AS "count" FROM "timeline_items" WHERE "incidentId" = ?', [
      incidentId,
    ])
    if (Number(rows[0]?.count) >= maxTimelineItems) {
      throw new AppError(
        'ERR_CAPACITY',
        `The timeline of incident ${incidentId} holds ${maxTimelineItems} rows, which is the most it may`,
        {
          incident: incidentId,
          limit: maxTimelineItems,
        },
      )
    }
    await run(
      `INSERT INTO "timeline_items" ("incidentId", "id", "at", "data") VALUES (?, ?, ?, ?)
       ON CONFLICT ("incidentId", "id") DO UPDATE SET "at" = excluded."at", "data" = excluded."data"`,
      [incidentId, item.id, epochMs(item.at), JSON.stringify(item)],
    )
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
