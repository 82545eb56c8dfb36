import { useQuery } from '@tanstack/react-query'
import type { Overview } from '@/server/contract/fleet.ts'
import { get } from './http.ts'
import { useLiveStatus } from './use-live-status.ts'
import { useLiveTopics } from './use-live-topics.ts'

const BESIDE_SOCKET_MS = 30_000
const WITHOUT_SOCKET_MS = 5_000

/** The fleet at a glance; kept fresh by the socket, and by polling where there is none. */
export const useOverview = () => {
  useLiveTopics('overview')
  const { phase } = useLiveStatus()
  return useQuery({
    queryKey: ['overview'],
    queryFn: ({ signal }) => get<Overview>('/overview', signal),
    refetchInterval: phase === 'live' ? BESIDE_SOCKET_MS : WITHOUT_SOCKET_MS,
    // One try at a time: the next turn is the second.
    retry: phase === 'connecting' ? 2 : false,
  })
}
