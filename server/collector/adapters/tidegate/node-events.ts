import {
  EVENT_TYPES,
  type EventType,
  eventEnvelopeSchema,
  MAX_EVENT_BYTES,
  NODE_EVENT_TYPES,
  type NodeEvent,
  parseEvent,
} from '../../../contract/index.ts'
import { REFUSALS, type Refusal } from '../refusals.ts'
import { cleanText, cleanValue } from '../untrusted-json.ts'

export type EventReading = { event: NodeEvent; bytes: number } | { refusal: Refusal; detail: string }

const KNOWN_TYPES: ReadonlySet<string> = new Set(EVENT_TYPES)

const isOwn = (event: NodeEvent): boolean =>
  NODE_EVENT_TYPES.has(event.type) && (!('scope' in event.data) || event.data.scope === 'node')

/** Reads what a node sent as one event: hostile input, bounded before it is copied, known keys alone. Never throws. */
export const readNodeEvent = (raw: unknown): EventReading => {
  try {
    return read(raw)
  } catch (error) {
    // Nesting so deep that looking at it overflows the stack.
    return { refusal: 'malformed', detail: error instanceof Error ? error.name : 'unreadable' }
  }
}

const read = (raw: unknown): EventReading => {
  const { type, data } = raw as { type?: unknown; data?: unknown }
  const name = typeof type === 'string' ? cleanText(type).slice(0, 64) : 'no type'
  // A newer node may know types that we do not: no fault of its own.
  if (!KNOWN_TYPES.has(name)) return { refusal: 'unknown_type', detail: name }
  if (!NODE_EVENT_TYPES.has(name as EventType)) return { refusal: 'not_its_own', detail: name }
  const bytes = Buffer.byteLength(JSON.stringify(data) ?? '')
  if (bytes > MAX_EVENT_BYTES) return { refusal: 'too_large', detail: `${name} of ${bytes} bytes` }
  const event = parseEvent(cleanValue(raw))
  if (!event) {
    const envelope = eventEnvelopeSchema.safeParse(raw).success
    return {
      refusal: 'malformed',
      detail: envelope ? `${name} with other data` : `${name} without its place`,
    }
  }
  return isOwn(event) ? { event, bytes } : { refusal: 'not_its_own', detail: `${name} of another scope` }
}

/** How long after the last one a refusal is told as a problem of the node. */
const TOLD_MS = 5 * 60_000

const SENTENCES: Record<Refusal, (detail: string) => string> = {
  too_large: (detail) => `sends events larger than ${MAX_EVENT_BYTES} bytes, which are refused (${detail})`,
  malformed: (detail) => `sends events that are not what their type says, which are refused (${detail})`,
  not_its_own: (detail) => `sends events that only the collector may record, which are refused (${detail})`,
  unknown_type: (detail) => `sends events of a type that is not known here, which are skipped (${detail})`,
  implausible_seq: (detail) => `numbers its events in leaps, which are refused (${detail})`,
}

/** What was refused of one node's events: counted, and for a while told as its problem. */
export class RefusedEvents {
  readonly counts = Object.fromEntries(REFUSALS.map((refusal) => [refusal, 0])) as Record<Refusal, number>
  readonly #last = new Map<Refusal, { at: number; detail: string }>()

  note(refusal: Refusal, detail: string, now: number): void {
    this.counts[refusal] += 1
    this.#last.set(refusal, { at: now, detail })
  }

  problems(now: number): string[] {
    return [...this.#last]
      .filter(([refusal, { at }]) => refusal !== 'unknown_type' && now - at < TOLD_MS)
      .map(([refusal, { detail }]) => SENTENCES[refusal](detail))
  }
}
