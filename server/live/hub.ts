import { ulid } from 'ulid'
import type { ErrorCode } from '../contract/errors.ts'
import type { FleetEvent } from '../contract/events.ts'
import type { LiveServerMessage, SamplePoint } from '../contract/live.ts'
import type { LivePublisher } from '../contract/publisher.ts'
import type { Log } from '../observe/log.ts'
import type { Topic } from './topic.ts'

/** Answers the present state of a topic, or null where there is no such object. */
export type SnapshotProvider = (topic: string) => Promise<unknown>

export interface HubOptions {
  snapshot: SnapshotProvider
  log: Log
  /** How many frames are kept for clients that come back. */
  ringSize?: number
  /** At most one snapshot of a changed topic in this many ms. */
  changeIntervalMs?: number
  /** How long one snapshot may take to be read. */
  snapshotTimeoutMs?: number
}

export interface Subscriber {
  /** Replaces nothing: adds topics. With `after`, what followed is sent where the ring still has it, else snapshots. */
  subscribe(topics: readonly Topic[], after?: { hub: string; seq: number }): void
  unsubscribe(names: readonly string[]): void
  /** Refuses something the client asked for; the frame takes its number and its place behind what is queued. */
  refuse(code: ErrorCode, message: string): void
  /** Forgets what is queued and sends a fresh snapshot of every topic: what a slow client is cut to. */
  cutToSnapshot(): void
  close(): void
}

type Entry =
  | { seq: number; kind: 'event'; event: FleetEvent }
  | { seq: number; kind: 'samples'; points: readonly SamplePoint[] }

/** A frame in a subscriber's queue; `text` is null while its snapshot is still being read. */
interface Queued {
  text: string | null
}

/** Ceiling of frames that may wait behind one snapshot; beyond it the subscriber is cut to fresh snapshots. */
const MAX_WAITING = 2_000

/**
 * The live stream's heart: one ascending sequence, a ring of recent frames, and subscribers by topic. A frame is serialised
 * once for all subscribers with the same matching topics.
 *
 * A subscriber's frames stay in the order of their numbers: a snapshot takes its number before it is read, and what is
 * published meanwhile waits behind it, so a snapshot never hides an event and no event is lost between the two.
 */
export class Hub implements LivePublisher {
  readonly hub = ulid()
  #seq = 0
  #evictedSeq = 0
  readonly #ring: Entry[] = []
  readonly #subscribers = new Set<HubSubscriber>()
  readonly #changedAt = new Map<string, number>()
  readonly #pendingChanges = new Map<string, NodeJS.Timeout>()
  readonly #options: Required<HubOptions>
  #closed = false

  constructor(options: HubOptions) {
    this.#options = { ringSize: 5_000, changeIntervalMs: 200, snapshotTimeoutMs: 5_000, ...options }
  }

  get seq(): number {
    return this.#seq
  }

  get subscribers(): number {
    return this.#subscribers.size
  }

  event(event: FleetEvent): void {
    this.#append({ seq: ++this.#seq, kind: 'event', event })
  }

  samples(points: readonly SamplePoint[]): void {
    if (points.length > 0) this.#append({ seq: ++this.#seq, kind: 'samples', points })
  }

  changed(topic: string): void {
    if (this.#closed) return
    const changedAt = ++this.#seq
    this.#changedAt.set(topic, changedAt)
    // Objects that nobody looked at for long would keep their entry for ever; a client that comes back after that gets a snapshot.
    if (this.#changedAt.size > 2_000) {
      const oldest = this.#changedAt.keys().next().value
      if (oldest !== undefined) this.#changedAt.delete(oldest)
    }
    if (this.#pendingChanges.has(topic)) return // the timer that is armed sees the newer number
    this.#sendChange(topic)
    const timer = setTimeout(() => this.#afterInterval(topic, changedAt), this.#options.changeIntervalMs)
    timer.unref()
    this.#pendingChanges.set(topic, timer)
  }

  /** Adds a subscriber; `send` gets frames as text, in order. */
  join(send: (text: string) => void): Subscriber {
    const subscriber = new HubSubscriber(this, send)
    this.#subscribers.add(subscriber)
    return subscriber
  }

  close(): void {
    this.#closed = true
    for (const timer of this.#pendingChanges.values()) clearTimeout(timer)
    this.#pendingChanges.clear()
    this.#subscribers.clear()
  }

  /** @internal */
  leave(subscriber: HubSubscriber): void {
    this.#subscribers.delete(subscriber)
  }

  /** @internal The entries after `seq`, or null where some are gone already. */
  entriesAfter(after: { hub: string; seq: number }): Entry[] | null {
    if (after.hub !== this.hub || after.seq > this.#seq || after.seq < this.#evictedSeq) return null
    return this.#ring.filter((entry) => entry.seq > after.seq)
  }

  /** @internal */
  changedAfter(topic: string, seq: number): boolean {
    return (this.#changedAt.get(topic) ?? 0) > seq
  }

  /** @internal The next number, for a frame that one client alone gets. */
  takeNumber(): number {
    return ++this.#seq
  }

  /** @internal Takes a number for a snapshot and reads it; resolves to the frame, or null where reading failed. */
  readSnapshot(topic: string): { seq: number; text: Promise<string | null> } {
    const seq = this.takeNumber()
    const text = withTimeout(this.#options.snapshot(topic), this.#options.snapshotTimeoutMs)
      .then((data) => frame({ type: 'snapshot', hub: this.hub, seq, topic, data: data ?? null }))
      .catch((error: unknown) => {
        this.#options.log.warn({ topic, err: error }, 'a live snapshot could not be read')
        return frame({
          type: 'error',
          hub: this.hub,
          seq,
          code: 'ERR_STORE_UNAVAILABLE',
          message: `The snapshot of ${topic} could not be read; it will be sent again when it changes`,
        })
      })
    return { seq, text }
  }

  #append(entry: Entry): void {
    this.#ring.push(entry)
    if (this.#ring.length > this.#options.ringSize) {
      const dropped = this.#ring.splice(0, Math.ceil(this.#options.ringSize / 10))
      this.#evictedSeq = dropped.at(-1)?.seq ?? this.#evictedSeq
    }
    const cache = new Map<string, string>()
    for (const subscriber of this.#subscribers) subscriber.offer(entry, cache)
  }

  #sendChange(topic: string): void {
    const interested = [...this.#subscribers].filter((subscriber) => subscriber.has(topic))
    if (interested.length === 0) return
    const { text } = this.readSnapshot(topic)
    for (const subscriber of interested) subscriber.queueSnapshot(text)
  }

  #afterInterval(topic: string, sentAt: number): void {
    this.#pendingChanges.delete(topic)
    const latest = this.#changedAt.get(topic) ?? 0
    if (latest > sentAt) {
      this.#sendChange(topic)
      const timer = setTimeout(() => this.#afterInterval(topic, latest), this.#options.changeIntervalMs)
      timer.unref()
      this.#pendingChanges.set(topic, timer)
    }
  }
}

/** One client's subscriptions and queue. */
class HubSubscriber implements Subscriber {
  readonly #hub: Hub
  readonly #send: (text: string) => void
  readonly #topics = new Map<string, Topic>()
  #queue: Queued[] = []

  constructor(hub: Hub, send: (text: string) => void) {
    this.#hub = hub
    this.#send = send
  }

  has(topic: string): boolean {
    return this.#topics.has(topic)
  }

  subscribe(topics: readonly Topic[], after?: { hub: string; seq: number }): void {
    const fresh = topics.filter((topic) => !this.#topics.has(topic.name))
    const missed = after === undefined ? null : this.#hub.entriesAfter(after)
    if (missed !== null && after !== undefined) {
      for (const entry of missed) this.#offerTo(fresh, entry, new Map())
    }
    for (const topic of fresh) this.#topics.set(topic.name, topic)
    for (const topic of fresh) {
      if (missed !== null && after !== undefined && !this.#hub.changedAfter(topic.name, after.seq)) continue
      this.queueSnapshot(this.#hub.readSnapshot(topic.name).text)
    }
  }

  unsubscribe(names: readonly string[]): void {
    for (const name of names) this.#topics.delete(name)
  }

  refuse(code: ErrorCode, message: string): void {
    const text = frame({ type: 'error', hub: this.#hub.hub, seq: this.#hub.takeNumber(), code, message })
    if (this.#queue.length === 0) this.#send(text)
    else if (this.#queue.length < MAX_WAITING) this.#queue.push({ text })
  }

  cutToSnapshot(): void {
    this.#queue = []
    for (const name of this.#topics.keys()) this.queueSnapshot(this.#hub.readSnapshot(name).text)
  }

  close(): void {
    this.#topics.clear()
    this.#queue = []
    this.#hub.leave(this)
  }

  offer(entry: Entry, cache: Map<string, string>): void {
    this.#offerTo([...this.#topics.values()], entry, cache)
  }

  queueSnapshot(text: Promise<string | null>): void {
    const queued: Queued = { text: null }
    this.#queue.push(queued)
    const queue = this.#queue
    void text.then((ready) => {
      queued.text = ready ?? ''
      if (queue === this.#queue) this.#flush()
    })
  }

  #offerTo(topics: readonly Topic[], entry: Entry, cache: Map<string, string>): void {
    const matching = topics.filter((topic) =>
      entry.kind === 'event'
        ? topic.wantsEvent(entry.event)
        : entry.points.some((point) => topic.wantsSample?.(point) ?? false),
    )
    const [first] = matching
    if (first === undefined) return
    const key = matching.map((topic) => topic.name).join(' ')
    let text = cache.get(key)
    if (text === undefined) {
      text = this.#serialise(entry, first, matching)
      cache.set(key, text)
    }
    if (this.#queue.length === 0) this.#send(text)
    else if (this.#queue.length < MAX_WAITING) this.#queue.push({ text })
    else this.cutToSnapshot()
  }

  /** One frame an entry, also where several topics match: `topic` is the first, `topics` are all of them. */
  #serialise(entry: Entry, first: Topic, matching: readonly Topic[]): string {
    const common = {
      hub: this.#hub.hub,
      seq: entry.seq,
      topic: first.name,
      topics: matching.map((topic) => topic.name),
    }
    if (entry.kind === 'event') return frame({ type: 'event', ...common, event: entry.event })
    const points = entry.points.filter((point) =>
      matching.some((topic) => topic.wantsSample?.(point) ?? false),
    )
    return frame({ type: 'sample', ...common, points })
  }

  #flush(): void {
    while (this.#queue.length > 0) {
      const text = this.#queue[0]?.text
      if (text === null || text === undefined) return
      this.#queue.shift()
      if (text !== '') this.#send(text)
    }
  }
}

const frame = (message: LiveServerMessage): string => JSON.stringify(message)

const withTimeout = <T>(promise: Promise<T>, ms: number): Promise<T> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not read within ${ms} ms`)), ms)
    promise.then(resolve, reject).finally(() => clearTimeout(timer))
  })
