import { useQuery } from '@tanstack/react-query'
import type { ConnectionList, NodeDetail } from '@/server/contract/fleet.ts'
import { get } from './http.ts'
import { useLiveTopics } from './use-live-topics.ts'

export const useNode = (id: string) => {
  useLiveTopics(`node:${id}`)
  return useQuery({
    queryKey: ['node', id],
    queryFn: ({ signal }) => get<NodeDetail>(`/nodes/${encodeURIComponent(id)}`, signal),
    refetchInterval: 10_000,
  })
}

/** Live connections of one node, asked of the node itself: one that does not answer is not asked. */
export const useConnections = (node: string, answers: boolean) =>
  useQuery({
    queryKey: ['connections', node],
    queryFn: ({ signal }) =>
      get<ConnectionList>(`/connections?node=${encodeURIComponent(node)}&limit=100`, signal),
    enabled: answers,
    refetchInterval: 5000,
    retry: false,
  })
