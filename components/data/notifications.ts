import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import type {
  Notification,
  NotificationChannel,
  NotificationTest,
} from '@/server/contract/answers/notification.ts'
import type { Page } from '@/server/contract/ids.ts'
import { get, post } from './http.ts'

/** The channels in force, and how their deliveries go. */
export const useChannels = (enabled: boolean) =>
  useQuery({
    queryKey: ['notification channels'],
    queryFn: ({ signal }) => get<Page<NotificationChannel>>('/notifications/channels', signal),
    enabled,
    refetchInterval: 5000,
  })

/** What was sent lately, newest first. */
export const useDeliveries = (enabled: boolean) =>
  useQuery({
    queryKey: ['notifications'],
    queryFn: ({ signal }) => get<Page<Notification>>('/notifications?limit=100', signal),
    enabled,
    refetchInterval: 5000,
  })

/** Sends a test through a channel; both lists are read again afterwards. */
export const useChannelTest = () => {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (channel: string) => post<NotificationTest>('/notifications/test', { channel }),
    onSettled: () =>
      Promise.all([
        client.invalidateQueries({ queryKey: ['notification channels'] }),
        client.invalidateQueries({ queryKey: ['notifications'] }),
      ]),
  })
}
