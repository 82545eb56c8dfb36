import { decodeCursor, pageSize, toPage } from '../contract/cursor.ts'
import type { NotificationKind, NotificationState, Page, TimelineItem } from '../contract/index.ts'
import type { Connection, Run, SqlRow, SqlValue } from './connection.ts'
import type { Prisma, PrismaClient } from './generated/client.ts'
import { putTimelineItem } from './incidents.ts'
import type {
  ChannelFigures,
  ExpiredNotification,
  HeldBackSummary,
  NotificationChange,
  OutboxPlan,
  StoredNotification,
} from './store.ts'

/** Rows of one incident that a plan is made from; far more than a conversation has. */
const maxOfIncident = 500

const numberOrNull = (value: SqlValue | undefined): number | null =>
  value === null || value === undefined ? null : Number(value)
const textOrNull = (value: SqlValue | undefined): string | null =>
  value === null || value === undefined ? null : String(value)

const rowOf = (row: SqlRow): StoredNotification => ({
  id: String(row.id),
  channel: String(row.channel),
  kind: String(row.kind) as NotificationKind,
  incidentId: textOrNull(row.incidentId),
  reason: String(row.reason),
  state: String(row.state) as NotificationState,
  attempts: Number(row.attempts),
  nextAttemptAt: numberOrNull(row.nextAttemptAt),
  lastError: textOrNull(row.lastError),
  createdAt: Number(row.createdAt),
  sentAt: numberOrNull(row.sentAt),
  message: textOrNull(row.message),
})

const columns =
  '"id", "channel", "kind", "incidentId", "reason", "state", "attempts", "nextAttemptAt", "lastError", "createdAt", "sentAt", "message"'

/** In use, or sent: what the decision about the next message is made from. */
const live = '("nextAttemptAt" IS NOT NULL OR "state" = \'sending\' OR "sentAt" IS NOT NULL)'

const add = async (run: Run, row: StoredNotification): Promise<void> => {
  await run(
    `INSERT INTO "notifications" (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT ("id") DO NOTHING`,
    [
      row.id,
      row.channel,
      row.kind,
      row.incidentId,
      row.reason,
      row.state,
      row.attempts,
      row.nextAttemptAt,
      row.lastError,
      row.createdAt,
      row.sentAt,
      row.message,
    ],
  )
}

const change = async (run: Run, { id, ...next }: NotificationChange): Promise<void> => {
  const keys = Object.keys(next) as (keyof typeof next)[]
  if (keys.length === 0) return
  // A message that is being sent belongs to its sender.
  await run(
    `UPDATE "notifications" SET ${keys.map((key) => `"${key}" = ?`).join(', ')} WHERE "id" = ? AND "state" <> 'sending'`,
    [...keys.map((key) => next[key] ?? null), id],
  )
}

/** Writes the changes that a plan makes to one incident's messages; part of the transaction that changes the incident. */
export const writeOutbox = async (run: Run, incidentId: string, plan: OutboxPlan): Promise<void> => {
  const { rows } = await run(
    `SELECT ${columns} FROM "notifications" WHERE "incidentId" = ? AND ${live} ORDER BY "id" DESC LIMIT ?`,
    [incidentId, maxOfIncident],
  )
  const planned = plan(rows.map(rowOf).reverse())
  for (const each of planned.change) await change(run, each)
  for (const each of planned.add) await add(run, each)
}

export const planNotifications = (
  connection: Connection,
  incidentId: string,
  plan: OutboxPlan,
): Promise<void> => connection.transaction((run) => writeOutbox(run, incidentId, plan))

export const addNotification = (connection: Connection, row: StoredNotification): Promise<void> =>
  connection.exclusive((run) => add(run, row))

const marks = (values: readonly unknown[]): string => values.map(() => '?').join(', ')

/**
 * What is due at `now` (epoch ms) in these channels, oldest first. A lease that reaches further ahead than possible was written before
 * the clock was set back: it has ended.
 */
export const readDue = async (
  connection: Connection,
  channels: readonly string[],
  now: number,
  leaseMs: number,
  limit: number,
): Promise<StoredNotification[]> => {
  const { rows } = await connection.query(
    `SELECT ${columns} FROM "notifications" WHERE "channel" IN (${marks(channels)}) AND (
       ("state" IN ('waiting', 'silenced') AND "nextAttemptAt" <= ?)
       OR ("state" = 'sending' AND ("leaseUntil" < ? OR "leaseUntil" > ?)))
     ORDER BY "id" LIMIT ?`,
    [...channels, now, now, now + leaseMs, limit],
  )
  return rows.map(rowOf)
}

/** Takes a row for one attempt; false where somebody else has it, or it is not due any more. */
export const claimNotification = async (
  connection: Connection,
  claim: { id: string; owner: string; now: number; leaseMs: number; message: string },
): Promise<boolean> => {
  const { id, owner, now, leaseMs, message } = claim
  const { changed } = await connection.query(
    `UPDATE "notifications" SET "state" = 'sending', "owner" = ?, "leaseUntil" = ?, "attempts" = "attempts" + 1,
       "message" = COALESCE("message", ?)
     WHERE "id" = ? AND (("state" IN ('waiting', 'silenced') AND "nextAttemptAt" <= ?)
       OR ("state" = 'sending' AND ("leaseUntil" < ? OR "leaseUntil" > ?)))`,
    [owner, now + leaseMs, message, id, now, now, now + leaseMs],
  )
  return changed === 1
}

/** Writes the outcome of an attempt, with its row on the incident's timeline; false where somebody else has the lease now. */
export const settleNotification = (
  connection: Connection,
  owner: string,
  { id, ...next }: NotificationChange,
  item: { incidentId: string; row: TimelineItem } | null,
): Promise<boolean> =>
  connection.transaction(async (run) => {
    const keys = Object.keys(next) as (keyof typeof next)[]
    const { changed } = await run(
      `UPDATE "notifications" SET ${keys.map((key) => `"${key}" = ?`).join(', ')}, "owner" = NULL, "leaseUntil" = NULL
       WHERE "id" = ? AND ("owner" = ? OR "state" IN ('waiting', 'silenced'))`,
      [...keys.map((key) => next[key] ?? null), id, owner],
    )
    if (changed !== 1) return false
    if (item !== null) await putTimelineItem(run, item.incidentId, item.row)
    return true
  })

/** What was sent or waits for these incidents, oldest first. */
export const readConversations = async (
  connection: Connection,
  incidentIds: readonly string[],
): Promise<StoredNotification[]> => {
  if (incidentIds.length === 0) return []
  const { rows } = await connection.query(
    `SELECT ${columns} FROM "notifications" WHERE "incidentId" IN (${marks(incidentIds)}) AND ${live} ORDER BY "id"`,
    [...incidentIds],
  )
  return rows.map(rowOf)
}

/** Incidents that a summary names one by one, at most. */
const namedOfSummary = 200

/** For one incident in one channel: what summaries said last. */
const lastOfSummaries = `"id" = (SELECT MAX("id") FROM "notifications" AS "later" WHERE "later"."incidentId" = "notifications"."incidentId"
  AND "later"."channel" = "notifications"."channel" AND "later"."state" = 'silenced' AND "later"."sentAt" IS NOT NULL)`
const unresolved = `SELECT "id" FROM "incidents" WHERE "state" <> 'resolved'`

/**
 * Takes what a channel left to a summary for told, at `now` (epoch ms), and answers what that is. The end of an incident that has been
 * reopened since does not count.
 */
export const takeHeldBack = (
  connection: Connection,
  { channel, reason, now }: { channel: string; reason: string; now: number },
): Promise<HeldBackSummary> =>
  connection.transaction(async (run) => {
    const left = '"channel" = ? AND "reason" = ? AND "state" = \'silenced\''
    await run(
      `UPDATE "notifications" SET "reason" = 'the incident was reopened before its end was told'
       WHERE ${left} AND "sentAt" IS NULL AND "kind" = 'recovered' AND "incidentId" IN (${unresolved})`,
      [channel, reason],
    )
    await run(`UPDATE "notifications" SET "sentAt" = ? WHERE ${left} AND "sentAt" IS NULL`, [
      Math.trunc(now),
      channel,
      reason,
    ])
    const { rows: incidents } = await run(
      `SELECT "incidentId", "incidentId" IN (${unresolved}) AS "open" FROM "notifications" WHERE ${left} AND "incidentId" IS NOT NULL
       GROUP BY "incidentId" ORDER BY "open" DESC, "incidentId"`,
      [channel, reason],
    )
    const { rows: kinds } = await run(
      `SELECT SUM("kind" <> 'recovered') AS "messages", SUM("kind" = 'recovered') AS "ends" FROM "notifications" WHERE ${left}`,
      [channel, reason],
    )
    const { rows: still } = await run(
      `SELECT COUNT(*) AS "count" FROM "notifications" WHERE "channel" = ? AND "state" = 'silenced' AND "sentAt" IS NOT NULL
         AND "kind" <> 'recovered' AND "incidentId" IN (${unresolved}) AND ${lastOfSummaries}`,
      [channel],
    )
    return {
      ids: incidents.slice(0, namedOfSummary).map(({ incidentId }) => String(incidentId)),
      incidents: incidents.length,
      open: incidents.filter(({ open }) => Number(open) === 1).length,
      messages: Number(kinds[0]?.messages ?? 0),
      ends: Number(kinds[0]?.ends ?? 0),
      stillOpen: Number(still[0]?.count ?? 0),
    }
  })

/**
 * A summary is over. Where it was told, what was left to it too late is told by itself from `now` (epoch ms) on; where it was not, nothing
 * of it was told.
 */
export const endHeldBack = async (
  connection: Connection,
  { channel, reason, isTold, now }: { channel: string; reason: string; isTold: boolean; now: number },
): Promise<void> => {
  await (isTold
    ? connection.query(
        `UPDATE "notifications" SET "state" = 'waiting', "nextAttemptAt" = ?, "reason" = 'it was too late for its summary'
         WHERE "channel" = ? AND "reason" = ? AND "state" = 'silenced' AND "sentAt" IS NULL`,
        [Math.trunc(now), channel, reason],
      )
    : connection.query(
        `UPDATE "notifications" SET "sentAt" = NULL WHERE "channel" = ? AND "reason" = ? AND "state" = 'silenced'`,
        [channel, reason],
      ))
}

/** Lets what waits for its next attempt be tried at `now`; what waits for its first keeps its time. */
export const hurryNotifications = async (
  connection: Connection,
  channel: string,
  now: number,
): Promise<void> => {
  await connection.query(
    `UPDATE "notifications" SET "nextAttemptAt" = ? WHERE "channel" = ? AND "state" = 'waiting' AND "attempts" > 0 AND "nextAttemptAt" > ?`,
    [now, channel, now],
  )
}

/** The clock was set back by this many ms: what waits must not wait longer because of that. */
export const advanceNotifications = async (connection: Connection, ms: number): Promise<void> => {
  await connection.query(
    `UPDATE "notifications" SET "nextAttemptAt" = "nextAttemptAt" - ? WHERE "nextAttemptAt" IS NOT NULL`,
    [Math.trunc(ms)],
  )
}

/**
 * Gives up what has waited since before `since` (epoch ms) and was tried often enough, or belongs to no channel; the latter also during a
 * silence, or after an attempt whose end was never written.
 */
export const expireNotifications = async (
  connection: Connection,
  options: { since: number; attempts: number; channels: readonly string[]; reason: string },
): Promise<ExpiredNotification[]> => {
  const { since, attempts, channels, reason } = options
  const { rows } = await connection.query(
    `UPDATE "notifications" SET "state" = 'failed', "nextAttemptAt" = NULL, "reason" = ?
     WHERE "state" IN ('waiting', 'silenced', 'sending') AND ("nextAttemptAt" IS NOT NULL OR "state" = 'sending') AND "createdAt" < ?
       AND (("state" = 'waiting' AND "attempts" >= ?)${
         channels.length === 0 ? ' OR 1 = 1' : ` OR "channel" NOT IN (${marks(channels)})`
       }) RETURNING "id", "channel", "kind"`,
    [reason, since, attempts, ...channels],
  )
  return rows.map(({ id, channel, kind }) => ({
    id: String(id),
    channel: String(channel),
    kind: String(kind) as NotificationKind,
  }))
}

/** How each channel is doing; `now` in epoch ms. */
export const readChannelFigures = async (
  connection: Connection,
  now: number,
): Promise<Map<string, ChannelFigures>> => {
  const { rows } = await connection.query(
    `SELECT "channel",
       SUM(CASE WHEN "state" IN ('waiting', 'sending') OR ("state" = 'silenced' AND "nextAttemptAt" IS NOT NULL) THEN 1 ELSE 0 END) AS "waiting",
       SUM(CASE WHEN "sentAt" > ? AND "sentAt" <= ? AND "kind" <> 'test' AND "state" = 'sent' THEN 1 ELSE 0 END) AS "sentLastHour",
       MAX("sentAt") AS "lastSentAt",
       MAX(CASE WHEN "kind" = 'summary' THEN "sentAt" END) AS "lastSummaryAt",
       MAX(CASE WHEN "kind" = 'summary' AND "state" = 'waiting' AND "attempts" = 0 THEN "id" END) AS "waitingSummaryId",
       MIN(CASE WHEN "state" = 'waiting' AND "attempts" > 0 THEN "createdAt" END) AS "failingSince"
     FROM "notifications" GROUP BY "channel"`,
    [now - 3_600_000, now],
  )
  return new Map(
    rows.map((row) => [
      String(row.channel),
      {
        waiting: Number(row.waiting),
        sentLastHour: Number(row.sentLastHour),
        lastSentAt: numberOrNull(row.lastSentAt),
        lastSummaryAt: numberOrNull(row.lastSummaryAt),
        waitingSummaryId: textOrNull(row.waitingSummaryId),
        failingSince: numberOrNull(row.failingSince),
      },
    ]),
  )
}

/** Newest first. */
export const readNotifications = async (
  prisma: PrismaClient,
  filter: { channel?: string; incident?: string; state?: string; limit?: number; cursor?: string },
): Promise<Page<StoredNotification>> => {
  const size = pageSize(filter.limit)
  const after = decodeCursor('notifications', filter.cursor, 'string')
  const and: Prisma.NotificationWhereInput[] = []
  if (filter.channel !== undefined) and.push({ channel: filter.channel })
  if (filter.incident !== undefined) and.push({ incidentId: filter.incident })
  if (filter.state !== undefined) and.push({ state: filter.state })
  if (after) and.push({ id: { lt: String(after.id) } })
  const rows = await prisma.notification.findMany({
    where: { AND: and },
    orderBy: { id: 'desc' },
    take: size + 1,
  })
  return toPage(
    'notifications',
    rows,
    size,
    (row) => ({ at: Number(row.createdAt), id: row.id }),
    (row) => ({
      ...row,
      kind: row.kind as NotificationKind,
      state: row.state as NotificationState,
      nextAttemptAt: row.nextAttemptAt === null ? null : Number(row.nextAttemptAt),
      createdAt: Number(row.createdAt),
      sentAt: row.sentAt === null ? null : Number(row.sentAt),
    }),
  )
}

/** What ended before `before` (epoch ms) is deleted, and all but the newest `most` of the rest; what is still needed stays. */
export const forgetNotifications = async (
  connection: Connection,
  before: number,
  most: number,
): Promise<number> => {
  const ended = `"nextAttemptAt" IS NULL AND "state" <> 'sending'
    AND ("incidentId" IS NULL OR "incidentId" NOT IN (SELECT "id" FROM "incidents" WHERE "state" <> 'resolved'))`
  const old = await connection.query(`DELETE FROM "notifications" WHERE ${ended} AND "createdAt" < ?`, [
    before,
  ])
  const many = await connection.query(
    `DELETE FROM "notifications" WHERE "id" IN (SELECT "id" FROM "notifications" WHERE ${ended} ORDER BY "id" DESC LIMIT -1 OFFSET ?)`,
    [most],
  )
  return old.changed + many.changed
}
