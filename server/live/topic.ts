import { type SamplePoint, TOPIC_PATTERN } from '../contract/live.ts'
import type { EventFacts } from './frame-ring.ts'

/** A subscribed topic, parsed once. */
export interface Topic {
  readonly name: string
  wantsEvent(event: EventFacts): boolean
  /** Undefined where the topic carries no samples. */
  wantsSample?(point: SamplePoint): boolean
}

/** Events so frequent that only `events` and the node's own topic carry them. */
const isHighRate = (type: string): boolean => type.startsWith('connection')

const matchesPattern = (value: string | null, patterns: readonly string[]): boolean =>
  patterns.length === 0 ||
  patterns.some((pattern) =>
    pattern.endsWith('*') ? (value ?? '').startsWith(pattern.slice(0, -1)) : value === pattern,
  )

/** The filter in an `events` topic; an empty list means all. */
export const eventsFilter = (name: string): { types: string[]; regions: string[]; nodes: string[] } => {
  const filter = new URLSearchParams(name.slice('events'.length + 1))
  const list = (key: string) =>
    filter
      .getAll(key)
      .flatMap((value) => value.split(','))
      .filter(Boolean)
  return { types: list('type'), regions: list('region'), nodes: list('node') }
}

const eventsTopic = (name: string): Topic => {
  const { types, regions, nodes } = eventsFilter(name)
  return {
    name,
    wantsEvent: (event) =>
      matchesPattern(event.type, types) &&
      matchesPattern(event.region, regions) &&
      matchesPattern(event.node, nodes),
  }
}

/** Parses the name of a topic; null where it is not one. */
export const parseTopic = (name: string): Topic | null => {
  if (!TOPIC_PATTERN.test(name)) return null
  if (name === 'overview') {
    return { name, wantsEvent: (event) => !isHighRate(event.type), wantsSample: () => true }
  }
  if (name === 'tunnels') return { name, wantsEvent: (event) => event.type.startsWith('tunnel.') }
  if (name === 'events' || name.startsWith('events?')) return eventsTopic(name)
  const [kind, id] = [name.slice(0, name.indexOf(':')), name.slice(name.indexOf(':') + 1)]
  switch (kind) {
    case 'region':
      return {
        name,
        wantsEvent: (event) => event.region === id && !isHighRate(event.type),
        wantsSample: (point) => point.region === id,
      }
    case 'node':
      return { name, wantsEvent: (event) => event.node === id, wantsSample: (point) => point.node === id }
    case 'incident':
      return { name, wantsEvent: (event) => event.data.incidentId === id }
    case 'drain':
      return { name, wantsEvent: (event) => event.data.drainId === id }
    default:
      return null
  }
}
