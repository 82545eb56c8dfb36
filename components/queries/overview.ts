import { useQuery } from '@tanstack/react-query'
import type { Overview } from '@/server/contract/fleet.ts'
import { useLiveTopics } from '../live/use-live-topics.ts'
import { get } from './http.ts'

/** The fleet at a glance; kept fresh by the socket. */
export const useOverview = () => {
  useLiveTopics('overview')
  return useQuery({
    queryKey: ['overview'],
    queryFn: ({ signal }) => get<Overview>('/overview', signal),
    refetchInterval: 30_000,
  })
}
