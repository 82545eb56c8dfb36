import type { CollectorHandle } from '../collector/handle.ts'
import { eventsFilter } from '../live/topic.ts'
import type { Store } from '../store/store.ts'

const RECENT_EVENTS = 100

/** What the live stream answers for a topic: the same objects as the API, so that a snapshot and a request never differ. */
export const createSnapshots =
  (collector: CollectorHandle, store: Store) =>
  async (topic: string): Promise<unknown> => {
    if (topic === 'overview') return collector.overview()
    if (topic === 'tunnels') return { items: collector.tunnels(), nextCursor: null }
    if (topic === 'events' || topic.startsWith('events?')) {
      const { types, regions, nodes } = eventsFilter(topic)
      return store.events({
        limit: RECENT_EVENTS,
        caller: 'live',
        ...(types.length > 0 ? { types } : {}),
        ...(regions.length > 0 ? { regions } : {}),
        ...(nodes.length > 0 ? { nodes } : {}),
      })
    }
    const [kind, id] = [topic.slice(0, topic.indexOf(':')), topic.slice(topic.indexOf(':') + 1)]
    switch (kind) {
      case 'region': {
        const region = collector.regions().find((candidate) => candidate.id === id)
        return region === undefined
          ? null
          : { ...region, nodeList: collector.nodes().filter((node) => node.region === id) }
      }
      case 'node':
        return collector.node(id)
      case 'drain':
        return collector.drains.get(id)
      case 'incident':
        return collector.incidents.get(id)
      default:
        return null
    }
  }
