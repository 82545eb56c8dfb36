import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import type { Page } from '@/server/contract/ids.ts'
import type {
  MaintenanceCreateRequest,
  MaintenanceState,
  MaintenanceWindow,
} from '@/server/contract/maintenance.ts'
import { get, post, query, remove } from './http.ts'
import { useLiveTopics } from './use-live-topics.ts'

/** Windows begin and end by the clock, without an event. */
const ASK_EVERY_MS = 10_000
/** Charts move on each second; what they ask for need not. */
const GRID_MS = 5 * 60_000

/** Windows of one state; those that are past only as far as a page shows them. */
export const useMaintenance = (status: MaintenanceState) => {
  useLiveTopics('events?type=operator.*')
  return useQuery({
    queryKey: ['maintenance', status],
    queryFn: ({ signal }) =>
      get<Page<MaintenanceWindow>>(`/maintenance${query({ status, limit: 200 })}`, signal),
    refetchInterval: ASK_EVERY_MS,
  })
}

/** Windows that end after a moment (epoch ms), for charts. */
export const useMaintenanceSince = (from: number, enabled: boolean) => {
  useLiveTopics('events?type=operator.*')
  const since = Math.floor(from / GRID_MS) * GRID_MS
  return useQuery({
    queryKey: ['maintenance', 'since', since],
    queryFn: ({ signal }) =>
      get<Page<MaintenanceWindow>>(`/maintenance${query({ from: since, limit: 500 })}`, signal),
    refetchInterval: ASK_EVERY_MS,
    placeholderData: keepPreviousData,
    enabled: enabled && from > 0,
  })
}

export const useMaintenanceChanges = () => {
  const client = useQueryClient()
  const again = () => client.invalidateQueries({ queryKey: ['maintenance'] })
  return {
    announce: useMutation({
      mutationFn: (window: MaintenanceCreateRequest) => post<MaintenanceWindow>('/maintenance', window),
      onSuccess: again,
    }),
    end: useMutation({
      mutationFn: (id: string) => remove(`/maintenance/${encodeURIComponent(id)}`),
      onSettled: again,
    }),
  }
}
