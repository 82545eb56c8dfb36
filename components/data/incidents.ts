import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import type { Page } from '@/server/contract/ids.ts'
import type { Incident, IncidentPatch, TimelineItem } from '@/server/contract/incidents.ts'
import { inTimelineOrder } from '@/server/contract/timeline-items.ts'
import { get, patch, post, query } from './http.ts'
import { readTimeline, type TimelineData, timelineTopics } from './timeline.ts'
import { useLiveStatus } from './use-live-status.ts'
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

/** The socket misses only what no event reports: a span in which nothing was measured. */
const BESIDE_SOCKET_MS = 60_000
const WITHOUT_SOCKET_MS = 5000

/** What happened around an incident, not folded. Events are put into it as they come; it is read again only where that cannot be. */
export const useTimeline = (incident: Incident) => {
  const { id } = incident
  useLiveTopics(`incident:${id}`, ...timelineTopics(incident))
  const { phase } = useLiveStatus()
  return useQuery({
    queryKey: ['timeline', id],
    queryFn: ({ signal }) => readTimeline(id, signal),
    refetchInterval: phase === 'live' ? BESIDE_SOCKET_MS : WITHOUT_SOCKET_MS,
    structuralSharing: false,
  })
}

export const useIncidentAction = (id: string) => {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (action: 'acknowledge' | 'mitigate' | 'resolve') =>
      post<Incident>(`/incidents/${encodeURIComponent(id)}/${action}`, {}),
    onSuccess: (incident) => client.setQueryData(['incident', id], incident),
  })
}

/** Corrects what the page says about it; the timeline keeps who did so. */
export const useIncidentPatch = (id: string) => {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (change: IncidentPatch) => patch<Incident>(`/incidents/${encodeURIComponent(id)}`, change),
    onSuccess: (incident) => {
      client.setQueryData(['incident', id], incident)
      void client.invalidateQueries({ queryKey: ['timeline', id] })
    },
  })
}

export const useAddNote = (id: string) => {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (text: string) => post<TimelineItem>(`/incidents/${encodeURIComponent(id)}/notes`, { text }),
    onSuccess: (item) =>
      client.setQueryData<TimelineData>(['timeline', id], (old) =>
        old && !old.items.some((known) => known.id === item.id)
          ? { ...old, items: [...old.items, item].sort(inTimelineOrder) }
          : old,
      ),
  })
}
