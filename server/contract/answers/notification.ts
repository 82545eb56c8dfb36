import { z } from 'zod'
import { CHANNEL_KINDS, NOTIFICATION_KINDS, NOTIFICATION_STATES } from '../notifications.ts'
import { count, isoTime, pageSchema } from '../parts.ts'
import { SEVERITIES } from '../states.ts'

export const notificationSchema = z
  .object({
    id: z.string().describe('A ULID, the same in every attempt'),
    channel: z.string(),
    kind: z.enum(NOTIFICATION_KINDS),
    incidentId: z.string().nullable(),
    reason: z.string().describe('Why it was written, or why it is not sent'),
    state: z.enum(NOTIFICATION_STATES),
    attempts: count,
    nextAttemptAt: isoTime.nullable().describe('Null: nothing more is attempted'),
    lastError: z.string().nullable(),
    createdAt: isoTime,
    sentAt: isoTime.nullable(),
  })
  .meta({ id: 'Notification' })
export type Notification = z.infer<typeof notificationSchema>

/** `GET /notifications`. */
export const notificationPageSchema = pageSchema(notificationSchema)

/** `POST /notifications/test`. */
export const notificationTestSchema = notificationSchema
  .extend({ answer: z.string().nullable().describe('What the receiver said; null where it said nothing') })
  .meta({ id: 'NotificationTest' })
export type NotificationTest = z.infer<typeof notificationTestSchema>

const channelSchema = z
  .object({
    name: z.string(),
    kind: z.enum(CHANNEL_KINDS),
    target: z.string().describe('Where it leads, without what is secret of it'),
    min: z.enum(SEVERITIES),
    regions: z.array(z.string()).nullable().describe('Null: all'),
    signals: z.array(z.string()).nullable().describe('Null: all'),
    groupWaitSeconds: z.number(),
    repeatHours: z.number(),
    recovery: z.boolean(),
    state: z
      .enum(['unused', 'ok', 'failing'])
      .describe('`failing`: the last attempt failed, and none has succeeded since'),
    failingSince: isoTime.nullable(),
    lastError: z.string().nullable(),
    lastSentAt: isoTime.nullable(),
    waiting: count.describe('Messages that wait for their time or their next attempt'),
    sentLastHour: count,
  })
  .meta({ id: 'NotificationChannel' })
export type NotificationChannel = z.infer<typeof channelSchema>

/** `GET /notifications/channels`. */
export const notificationChannelPageSchema = pageSchema(channelSchema)
