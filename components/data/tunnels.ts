import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import type { Tunnel } from '@/server/contract/fleet.ts'
import type { Page } from '@/server/contract/ids.ts'
import { get, remove } from './http.ts'
import { useLiveTopics } from './use-live-topics.ts'

const tunnelsOf = (data: Page<Tunnel> | Tunnel[]): Tunnel[] => (Array.isArray(data) ? data : data.items)

/** Every host known, registered or lost. */
export const useTunnels = () => {
  useLiveTopics('tunnels', 'events?type=tunnel.*')
  return useQuery({
    queryKey: ['tunnels'],
    queryFn: ({ signal }) => get<Page<Tunnel>>('/tunnels?limit=1000', signal),
    select: tunnelsOf,
    refetchInterval: 15_000,
  })
}

export const useKick = () => {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ hostId, reason }: { hostId: string; reason: string }) =>
      remove(`/tunnels/${encodeURIComponent(hostId)}`, { reason }),
    onSettled: () => client.invalidateQueries({ queryKey: ['tunnels'] }),
  })
}
