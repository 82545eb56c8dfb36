import { z } from 'zod'
import {
  notificationChannelPageSchema,
  notificationPageSchema,
  notificationTestSchema,
} from '../answers/notification.ts'
import { NOTIFICATION_STATES } from '../notifications.ts'
import { pageParameters, pageQuery } from './parameters.ts'
import { route, V1 } from './route.ts'

const tag = 'Notifications'

/** What was sent to people, and whether it arrived. */
export const notificationRoutes = {
  listNotifications: route({
    method: 'GET',
    path: `${V1}/notifications`,
    tag,
    role: 'admin',
    summary: 'Deliveries with state, attempts and error, newest first',
    query: z
      .object({
        ...pageParameters,
        channel: z.string().max(63).describe('Only by the channel of this name').optional(),
        incident: z.string().max(200).describe('Only about the incident of this id').optional(),
        state: z.enum(NOTIFICATION_STATES).describe('Only in this state').optional(),
      })
      .strict(),
    answer: notificationPageSchema,
  }),
  listNotificationChannels: route({
    method: 'GET',
    path: `${V1}/notifications/channels`,
    tag,
    role: 'admin',
    summary: 'The channels in force, what is sent to each, and how its deliveries go',
    query: pageQuery,
    answer: notificationChannelPageSchema,
  }),
  testNotification: route({
    method: 'POST',
    path: `${V1}/notifications/test`,
    tag,
    role: 'admin',
    summary: 'Sends a test through a channel now, and returns what the receiver answered',
    description: 'Tried once. `state` of the answer says whether it arrived: `sent` or `failed`.',
    body: z
      .object({ channel: z.string().min(1).max(63).describe('Name of the channel in the configuration') })
      .strict()
      .meta({ description: 'Which channel to try', examples: [{ channel: 'on-call' }] }),
    answer: notificationTestSchema,
    errors: ['ERR_NOT_FOUND', 'ERR_CONFLICT'],
  }),
}
