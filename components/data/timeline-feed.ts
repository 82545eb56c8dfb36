import type { QueryClient } from '@tanstack/react-query'
import type { FleetEvent } from '@/server/contract/events.ts'
import type { Incident } from '@/server/contract/incidents.ts'
import type { EventList } from './apply-event.ts'
import { serverNow } from './clock.ts'
import { Throttle } from './throttle.ts'
import { newestTold, type TimelineData, timelineTopics, timelineWith } from './timeline.ts'

/** A burst is put in its place once, not once for each event. */
const EVERY_MS = 250
/** A timeline that must be read again is read at most this often. */
const READ_EVERY_MS = 5000
/** What came while a timeline was being read is put into it afterwards; a read takes no longer than this. */
const KEPT_MS = 60_000
const MAX_KEPT = 5000

const NAME = 'timeline'

/**
 * Puts live events into the timelines that are kept, so that none is read again for an event. A timeline is read again only where the
 * events do not follow on what it knows, or its rows are not all there.
 */
export class TimelineFeed {
  readonly #client: QueryClient
  readonly #writes = new Throttle(EVERY_MS)
  readonly #reads = new Throttle(READ_EVERY_MS)
  #kept: { event: FleetEvent; at: number }[] = []
  /** Until then, epoch ms, events arrived that are not kept and that a read from that time may lack. */
  #forgotUntil = Number.NEGATIVE_INFINITY
  #waiting: FleetEvent[] = []
  /** By topic: the newest snapshot's oldest event, and when it came. */
  readonly #snapshots = new Map<string, { oldest: number; at: number }>()
  #unsubscribe: (() => void) | null = null

  constructor(client: QueryClient) {
    this.#client = client
  }

  start(): void {
    this.#unsubscribe ??= this.#client.getQueryCache().subscribe((change) => {
      if (change.type !== 'updated' || change.action.type !== 'success' || change.action.manual) return
      const [name, id] = change.query.queryKey
      if (name === NAME && typeof id === 'string') queueMicrotask(() => this.#afterRead(id))
    })
  }

  stop(): void {
    this.#unsubscribe?.()
    this.#unsubscribe = null
    this.#writes.clear()
    this.#reads.clear()
  }

  /** Events as they come. */
  take(events: readonly FleetEvent[]): void {
    const at = Date.now()
    for (const event of events) {
      this.#kept.push({ event, at })
      this.#waiting.push(event)
    }
    if (this.#kept.length > MAX_KEPT || (this.#kept[0]?.at ?? at) < at - KEPT_MS) this.#forgetOld(at)
    this.#writes.run(NAME, () => this.#write())
  }

  #forgetOld(now: number): void {
    const young = this.#kept.filter((kept) => kept.at >= now - KEPT_MS)
    this.#forgotUntil = young.at(-MAX_KEPT - 1)?.at ?? this.#forgotUntil
    this.#kept = young.slice(-MAX_KEPT)
  }

  /** The newest events of a topic, after which its events follow without a gap. */
  takeSnapshot(topic: string, list: EventList): void {
    const oldest = list.nextCursor === null ? 0 : (list.items.at(-1)?.id ?? 0)
    this.#snapshots.set(topic, { oldest, at: Date.now() })
    for (const id of this.#ids()) this.#readWhereBehind(id)
    this.take(list.items)
  }

  /** Reads a timeline again, or all that are kept: something in it changed that no event reports. */
  readAgain(id?: string): void {
    const queryKey = id === undefined ? [NAME] : [NAME, id]
    this.#reads.run(queryKey.join(' '), () => this.#client.invalidateQueries({ queryKey }))
  }

  #ids(): string[] {
    return this.#client
      .getQueryCache()
      .findAll({ queryKey: [NAME] })
      .flatMap(({ queryKey }) => (typeof queryKey[1] === 'string' ? [queryKey[1]] : []))
  }

  #write(): void {
    const events = this.#waiting
    this.#waiting = []
    for (const id of this.#ids()) this.#put(id, events)
  }

  #put(id: string, events: readonly FleetEvent[]): void {
    const timeline = this.#client.getQueryData<TimelineData>([NAME, id])
    const incident = this.#client.getQueryData<Incident>(['incident', id])
    if (!timeline || !incident || events.length === 0) return
    const next = timelineWith(timeline, events, incident, serverNow())
    if (next === null) this.readAgain(id)
    else if (next !== timeline) this.#client.setQueryData([NAME, id], next)
  }

  #afterRead(id: string): void {
    this.#put(
      id,
      this.#kept.map(({ event }) => event),
    )
    const timeline = this.#client.getQueryData<TimelineData>([NAME, id])
    if (timeline !== undefined && timeline.readAt <= this.#forgotUntil) this.readAgain(id)
    else this.#readWhereBehind(id)
  }

  /** Between the end of a read and the start of a later snapshot there may be events that nobody sent. */
  #readWhereBehind(id: string): void {
    const timeline = this.#client.getQueryData<TimelineData>([NAME, id])
    const incident = this.#client.getQueryData<Incident>(['incident', id])
    if (!timeline || !incident) return
    const behind = timelineTopics(incident).some((topic) => {
      const snapshot = this.#snapshots.get(topic)
      return snapshot && timeline.readAt < snapshot.at && newestTold(timeline) < snapshot.oldest
    })
    if (behind) this.readAgain(id)
  }
}
