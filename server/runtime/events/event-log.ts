import { ulid } from 'ulid'
import {
  EVENT_DATA,
  type EventData,
  type EventType,
  MAX_EVENT_BYTES,
  MAX_EVENT_ENTRIES,
  type NodeEvent,
} from '../../contract/events.ts'
import type { Log } from '../../observe/log.ts'

/** How many events a node keeps for readers who resume. */
export const EVENT_RING_SIZE = 10_000

/** Entries of its lists that an event keeps when it would be too large otherwise. */
const FEW_ENTRIES = 12

export type EventListener = (event: NodeEvent) => void

/** A slice of the ring. `next` is what the caller passes as `after` next time; `oldest` is the oldest seq still there. */
export interface EventSlice {
  events: NodeEvent[]
  next: number
  oldest: number
}

/** The facts of one node, in order. Nothing here throws: an emitter must never fail because of its listeners. */
export interface EventLog {
  /** One run of the node; a new one after every restart, so that `seq` may start again. */
  readonly epoch: string
  /** Seq of the newest event; 0 before the first. */
  readonly seq: number
  /** Seq of the oldest event in the ring; `seq + 1` while it is empty. */
  readonly oldest: number
  /** Events that were not even valid after cutting, and listeners that threw. */
  readonly faults: { invalid: number; listeners: number }
  emit<T extends EventType>(type: T, data: EventData<T>): void
  /** Events with a seq above `after`, oldest first, at most `limit`. */
  read(after: number, limit: number): EventSlice
  /** Calls `listener` for every event from now on, until the returned function is called. */
  subscribe(listener: EventListener): () => void
}

/** `value` with its texts, lists and counts cut to what an event may hold. */
const cut = (value: unknown, entries: number = MAX_EVENT_ENTRIES): unknown => {
  if (typeof value === 'string') return value.slice(0, 256)
  if (typeof value === 'number') return Number.isFinite(value) ? value : 0
  if (Array.isArray(value)) return value.slice(0, entries).map((entry) => cut(entry, entries))
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value)
      .slice(0, entries)
      .map(([key, entry]) => [key.slice(0, 64), cut(entry, entries)]),
  )
}

/** Only events with a list or counts can be too large; all others are bounded by their fields. */
const isTooLarge = (data: Record<string, unknown>): boolean =>
  Object.values(data).some((entry) => typeof entry === 'object' && entry !== null) &&
  Buffer.byteLength(JSON.stringify(data)) > MAX_EVENT_BYTES

/** The newest events in a ring, and who listens. */
class EventRing implements EventLog {
  readonly epoch = ulid()
  readonly faults = { invalid: 0, listeners: 0 }
  readonly #who: { node: string; region: string }
  readonly #log: Log
  readonly #size: number
  readonly #ring: NodeEvent[]
  readonly #listeners = new Set<EventListener>()
  #seq = 0

  constructor(who: { node: string; region: string }, log: Log, size: number) {
    this.#who = who
    this.#log = log
    this.#size = size
    this.#ring = new Array(size)
  }

  get seq(): number {
    return this.#seq
  }

  get oldest(): number {
    return Math.max(1, this.#seq - this.#size + 1)
  }

  emit<T extends EventType>(type: T, data: EventData<T>): void {
    const valid = checked(type, data)
    if (valid === null) {
      this.faults.invalid += 1
      this.#log.error({ type }, 'an event was dropped: its data does not match the contract')
      return
    }
    this.#seq += 1
    const at = new Date().toISOString()
    const event: NodeEvent = { seq: this.#seq, epoch: this.epoch, ...this.#who, type, at, data: valid }
    this.#ring[this.#seq % this.#size] = event
    for (const listener of [...this.#listeners]) {
      try {
        listener(event)
      } catch (error) {
        // One listener's fault is neither the emitter's nor the other listeners'.
        this.faults.listeners += 1
        this.#log.error({ err: error, type }, 'an event listener threw')
      }
    }
  }

  read(after: number, limit: number): EventSlice {
    const { oldest, seq } = this
    const to = Math.min(seq, Math.max(after + 1, oldest) + limit - 1)
    const events: NodeEvent[] = []
    for (let at = Math.max(after + 1, oldest); at <= to; at += 1) {
      const event = this.#ring[at % this.#size]
      if (event !== undefined) events.push(event)
    }
    return { events, next: events.at(-1)?.seq ?? Math.min(Math.max(after, oldest - 1), seq), oldest }
  }

  subscribe(listener: EventListener): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }
}

/** The data as the contract allows it, cut where it must be; null where that is not enough. */
const checked = <T extends EventType>(type: T, data: EventData<T>): EventData<T> | null => {
  const schema = EVENT_DATA[type]
  for (const tried of [() => data, () => cut(data), () => cut(data, FEW_ENTRIES)]) {
    const { success, data: valid } = schema.safeParse(tried())
    if (success && !isTooLarge(valid)) return valid as EventData<T>
  }
  return null
}

/**
 * Creates the event log of one node. Data is checked against the contract here, so that a part's overlong text costs its tail
 * and not the whole event at the collector.
 */
export const createEventLog = (
  who: { node: string; region: string },
  log: Log,
  size: number = EVENT_RING_SIZE,
): EventLog => new EventRing(who, log, size)
