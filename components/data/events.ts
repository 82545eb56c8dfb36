import { useQuery } from '@tanstack/react-query'
import type { EventList } from './apply-event.ts'
import type { EventFilter } from './event-filter.ts'
import { get, query } from './http.ts'
import { useLiveTopics } from './use-live-topics.ts'

/** Newest first. The key holds the filter, so that live events find the lists they belong to. */
export const useEvents = (filter: EventFilter, limit = 100) => {
  // Each kind is a topic of its own: what a page does not show is not sent to it.
  const types = filter.types && filter.types.length > 0 ? filter.types : null
  useLiveTopics(...(types ? types.map((type) => `events?type=${type}`) : ['events']))
  return useQuery({
    queryKey: ['events', filter, limit],
    queryFn: ({ signal }) =>
      get<EventList>(
        `/events${query({ type: filter.types, region: filter.region, node: filter.node, q: filter.text, limit })}`,
        signal,
      ),
  })
}
