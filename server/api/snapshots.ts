import type { CollectorHandle } from '../collector/handle.ts'
import { AppError } from '../contract/errors.ts'
import { eventsFilter } from '../live/topic.ts'
import type { Store } from '../store/store.ts'

const RECENT_EVENTS = 100
/** More tunnels than this are read from the API, page by page: each change would be a frame of many megabytes. */
const MAX_TUNNELS = 20_000

/** What the live stream answers for a topic: the same objects as the API, so that a snapshot and a request never differ. */
export const createSnapshots =
  (collector: CollectorHandle, store: Store) =>
  async (topic: string): Promise<unknown> => {
    if (topic === 'overview') return collector.overview()
    if (topic === 'tunnels') return { items: tunnelsOf(collector), nextCursor: null }
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

const tunnelsOf = (collector: CollectorHandle) => {
  const tunnels = collector.tunnels()
  if (tunnels.length <= MAX_TUNNELS) return tunnels
  throw new AppError(
    'ERR_TOO_LARGE',
    `There are ${tunnels.length} tunnels; read them from GET /tunnels, page by page`,
    { limit: MAX_TUNNELS },
  )
}
