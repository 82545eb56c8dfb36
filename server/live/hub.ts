import { ulid } from 'ulid'
import type { FleetEvent } from '../contract/events.ts'
import type { SamplePoint } from '../contract/live.ts'
import type { LivePublisher } from '../contract/publisher.ts'
import type { Log } from '../observe/log.ts'
import { ChangeMarks } from './change-marks.ts'
import { type Entry, eventEntry, FrameRing, samplesEntry } from './frame-ring.ts'
import { type Reader, type SnapshotProvider, type SnapshotRead, SnapshotReads } from './snapshot-reads.ts'
import { type HubSide, HubSubscriber, type Subscriber } from './subscriber.ts'

export interface HubOptions {
  snapshot: SnapshotProvider
  log: Log
  /** How many frames are kept for clients that come back. */
  ringSize?: number
  /** How many characters they may weigh together. */
  ringBytes?: number
  /** How many topics' last changes are remembered; all others are assumed to have changed. */
  maxMarks?: number
  /** At most one snapshot of a changed topic in this many ms, while it is small. */
  changeIntervalMs?: number
  /** How long one snapshot may take to be read. */
  snapshotTimeoutMs?: number
}

/** Above this many characters a snapshot is large: it is sent at most once a second, and less often the larger it is. */
const LARGE = 32 * 1024
/** What changes of one topic may cost a client, in characters per ms. */
const PACE = 256
const MAX_INTERVAL_MS = 10_000
/** How long after the last client that draws samples they are still kept. */
const SAMPLES_AFTER_MS = 60_000

/**
 * The centre of the live stream: one ascending sequence, a ring of recent frames, and subscribers by topic. What is published is written
 * as JSON once for all.
 *
 * A subscriber's frames stay in the order of their numbers: a snapshot takes its number before it is read, and what is
 * published meanwhile waits behind it, so a snapshot never hides an event and no event is lost between the two.
 */
export class Hub implements LivePublisher, HubSide {
  readonly hub = ulid()
  #seq = 0
  readonly #ring: FrameRing
  readonly #subscribers = new Set<HubSubscriber>()
  readonly #byTopic = new Map<string, Set<HubSubscriber>>()
  readonly #marks: ChangeMarks
  /** Topics whose last snapshot is being read or was sent just now. */
  readonly #pendingChanges = new Map<string, NodeJS.Timeout | null>()
  readonly #reads: SnapshotReads
  readonly #options: Required<HubOptions>
  /** Until then samples are kept for clients that draw them and have just lost the connection; monotonic ms. */
  #samplesUntil = Number.NEGATIVE_INFINITY
  /** A client whose number is not newer than this lacks samples that were not kept. */
  #samplesLostAt = -1
  #closed = false

  constructor(options: HubOptions) {
    this.#options = {
      ringSize: 20_000,
      ringBytes: 16 * 1024 * 1024,
      maxMarks: 2_000,
      changeIntervalMs: 200,
      snapshotTimeoutMs: 5_000,
      ...options,
    }
    this.#ring = new FrameRing(this.#options.ringSize, this.#options.ringBytes)
    this.#marks = new ChangeMarks(this.#options.maxMarks)
    this.#reads = new SnapshotReads({
      snapshot: (topic) => this.#options.snapshot(topic),
      log: this.#options.log,
      maxAtOnce: 4,
      maxWaiting: 4_096,
      timeoutMs: this.#options.snapshotTimeoutMs,
      maxLength: 8 * 1024 * 1024,
    })
  }

  get seq(): number {
    return this.#seq
  }

  get subscribers(): number {
    return this.#subscribers.size
  }

  /** Figures for metrics: what is kept, and what waits. */
  get figures(): { ringFrames: number; ringBytes: number; readsWaiting: number; readsRefused: number } {
    return {
      ringFrames: this.#ring.size,
      ringBytes: this.#ring.bytes,
      readsWaiting: this.#reads.waiting,
      readsRefused: this.#reads.refused,
    }
  }

  event(event: FleetEvent): void {
    this.#append(eventEntry(++this.#seq, event))
  }

  /** Samples go to clients that draw them; where none does, or did until just now, they are not even written as JSON. */
  samples(points: readonly SamplePoint[]): void {
    if (points.length === 0) return
    const now = performance.now()
    for (const subscriber of this.#subscribers)
      if (subscriber.drawsSamples) this.#samplesUntil = now + SAMPLES_AFTER_MS
    if (now < this.#samplesUntil) this.#append(samplesEntry(++this.#seq, points))
    else this.#samplesLostAt = this.#seq
  }

  changed(topic: string): void {
    if (this.#closed) return
    this.#marks.set(topic, ++this.#seq)
    // A timer that is already set sees the newer number; a topic without followers needs none.
    if (!this.#pendingChanges.has(topic)) this.#sendChange(topic)
  }

  /** Adds a subscriber; `send` gets frames as text, in order. `reader` pays for its snapshots. */
  join(send: (text: string) => void, reader: Reader | null = null): Subscriber {
    const subscriber = new HubSubscriber(this, send, reader)
    this.#subscribers.add(subscriber)
    return subscriber
  }

  close(): void {
    this.#closed = true
    for (const timer of this.#pendingChanges.values()) clearTimeout(timer ?? undefined)
    this.#pendingChanges.clear()
    this.#reads.close()
    this.#byTopic.clear()
    this.#subscribers.clear()
  }

  follow(topic: string, subscriber: HubSubscriber): void {
    const followers = this.#byTopic.get(topic)
    if (followers === undefined) this.#byTopic.set(topic, new Set([subscriber]))
    else followers.add(subscriber)
  }

  unfollow(topic: string, subscriber: HubSubscriber): void {
    const followers = this.#byTopic.get(topic)
    followers?.delete(subscriber)
    if (followers?.size === 0) this.#byTopic.delete(topic)
  }

  leave(subscriber: HubSubscriber): void {
    this.#subscribers.delete(subscriber)
  }

  entriesAfter(after: { hub: string; seq: number }, withSamples: boolean): Entry[] | null {
    if (after.hub !== this.hub || after.seq > this.#seq) return null
    if (withSamples && after.seq <= this.#samplesLostAt) return null
    return this.#ring.after(after.seq)
  }

  changedAfter(topic: string, seq: number): boolean {
    return this.#marks.isAfter(topic, seq)
  }

  takeNumber(): number {
    return ++this.#seq
  }

  readSnapshot(topic: string, reader: Reader | null, wanted: () => boolean): SnapshotRead {
    return this.#reads.read(topic, reader, wanted)
  }

  #append(entry: Entry): void {
    this.#ring.push(entry)
    const cache = new Map<string, string>()
    for (const subscriber of this.#subscribers) subscriber.offer(entry, cache)
  }

  #sendChange(topic: string): void {
    const followers = this.#byTopic.get(topic)
    if (followers === undefined) return
    this.#pendingChanges.set(topic, null)
    const seq = this.takeNumber()
    const read = this.readSnapshot(topic, null, () => this.#byTopic.has(topic))
    for (const follower of followers) follower.queueSnapshot(topic, seq, read)
    void read.result.then((result) => {
      const length = result !== null && 'json' in result ? result.json.length : 0
      if (this.#closed) return
      const timer = setTimeout(() => this.#afterInterval(topic, seq), this.#intervalFor(length))
      timer.unref()
      this.#pendingChanges.set(topic, timer)
    })
  }

  /** Thousands of tunnels four times a second would be more than a page's network carries. */
  #intervalFor(length: number): number {
    const { changeIntervalMs } = this.#options
    if (length <= LARGE) return changeIntervalMs
    return Math.min(MAX_INTERVAL_MS, Math.max(1_000, changeIntervalMs, length / PACE))
  }

  #afterInterval(topic: string, sentAt: number): void {
    this.#pendingChanges.delete(topic)
    if (!this.#closed && this.#marks.isAfter(topic, sentAt)) this.#sendChange(topic)
  }
}
