import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import type {
  Drain,
  DrainAction,
  DrainActionRequest,
  DrainCreateRequest,
  DrainPlan,
  DrainPreviewRequest,
} from '@/server/contract/drains.ts'
import type { Page } from '@/server/contract/ids.ts'
import { ApiError, get, post } from './http.ts'
import { useLiveTopics } from './use-live-topics.ts'

export const useDrains = () => {
  useLiveTopics('events?type=drain.*')
  return useQuery({
    queryKey: ['drains'],
    queryFn: ({ signal }) => get<Page<Drain>>('/drains?limit=200', signal),
    refetchInterval: 10_000,
  })
}

export const useDrain = (id: string) => {
  useLiveTopics(`drain:${id}`)
  return useQuery({
    queryKey: ['drain', id],
    queryFn: ({ signal }) => get<Drain>(`/drains/${encodeURIComponent(id)}`, signal),
    refetchInterval: 5000,
  })
}

/** The plan; it touches nothing, so it may be asked for as often as the choices change. */
export const useDrainPlan = (request: DrainPreviewRequest | null) =>
  useQuery({
    queryKey: ['plan', request],
    queryFn: () => post<DrainPlan>('/drains/preview', request ?? {}),
    enabled: request !== null,
    staleTime: 0,
    refetchInterval: 5000,
    retry: false,
  })

export const useStartDrain = () => {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (request: DrainCreateRequest) => post<Drain>('/drains', request),
    onSuccess: (drain) => {
      client.setQueryData(['drain', drain.id], drain)
      void client.invalidateQueries({ queryKey: ['drains'] })
    },
  })
}

/** Pause, continue, abort, resume: always with the version that is on screen, so that of two operators one wins. */
export const useDrainAction = (id: string) => {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ action, ...body }: DrainActionRequest & { action: DrainAction }) =>
      post<Drain>(`/drains/${encodeURIComponent(id)}/${action}`, body),
    onSuccess: (drain) => client.setQueryData(['drain', id], drain),
    onError: (error) => {
      if (error instanceof ApiError && error.status === 409)
        void client.invalidateQueries({ queryKey: ['drain', id] })
    },
  })
}
