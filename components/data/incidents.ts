import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import type { Page } from '@/server/contract/ids.ts'
import type { Incident, Timeline, TimelineItem } from '@/server/contract/incidents.ts'
import { get, post, query } from './http.ts'
import { useLiveTopics } from './use-live-topics.ts'

export const useIncidents = (status: string | null) => {
  useLiveTopics('events?type=incident.*')
  return useQuery({
    queryKey: ['incidents', status],
    queryFn: ({ signal }) => get<Page<Incident>>(`/incidents${query({ status, limit: 200 })}`, signal),
    refetchInterval: 15_000,
  })
}

export const useIncident = (id: string) => {
  useLiveTopics(`incident:${id}`)
  return useQuery({
    queryKey: ['incident', id],
    queryFn: ({ signal }) => get<Incident>(`/incidents/${encodeURIComponent(id)}`, signal),
    refetchInterval: 10_000,
  })
}

const MAX_PAGES = 10

/** The whole timeline, page after page, up to ten thousand rows. */
const readTimeline = async (id: string, signal: AbortSignal): Promise<Timeline> => {
  const whole: Timeline = { items: [], gaps: [], nextCursor: null }
  let cursor: string | null = null
  for (let page = 0; page < MAX_PAGES; page++) {
    const part: Timeline = await get<Timeline>(
      `/incidents/${encodeURIComponent(id)}/timeline${query({ limit: 1000, cursor })}`,
      signal,
    )
    whole.items.push(...part.items)
    whole.gaps.push(...part.gaps)
    cursor = part.nextCursor
    if (!cursor) break
  }
  return { ...whole, nextCursor: cursor }
}

export const useTimeline = (id: string) => {
  useLiveTopics(`incident:${id}`)
  return useQuery({
    queryKey: ['timeline', id],
    queryFn: ({ signal }) => readTimeline(id, signal),
    refetchInterval: 5000,
  })
}

export const useIncidentAction = (id: string) => {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (action: 'acknowledge' | 'mitigate' | 'resolve') =>
      post<Incident>(`/incidents/${encodeURIComponent(id)}/${action}`, {}),
    onSuccess: (incident) => client.setQueryData(['incident', id], incident),
    onSettled: () => client.invalidateQueries({ queryKey: ['timeline', id] }),
  })
}

export const useAddNote = (id: string) => {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (text: string) => post<TimelineItem>(`/incidents/${encodeURIComponent(id)}/notes`, { text }),
    onSuccess: (item) =>
      client.setQueryData<Timeline>(['timeline', id], (old) =>
        old && !old.items.some((known) => known.id === item.id)
          ? { ...old, items: [...old.items, item] }
          : old,
      ),
    onSettled: () => client.invalidateQueries({ queryKey: ['timeline', id] }),
  })
}
