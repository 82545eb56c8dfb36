import type { notificationRoutes } from '../contract/api/notifications.ts'
import type { ApiOptions } from './context.ts'
import { given, pageOf } from './input.ts'
import type { Handlers } from './serve.ts'

/** What was sent to people, and whether it arrived. */
export const notificationHandlers = ({
  collector: { notifications },
}: ApiOptions): Handlers<typeof notificationRoutes> => ({
  listNotifications: ({ query }) => notifications.list(given(query)),
  listNotificationChannels: async ({ query }) =>
    pageOf('channels', await notifications.channels(), ({ name }) => name, query),
  testNotification: async ({ body, caller }) => notifications.test((await body()).channel, caller),
})
