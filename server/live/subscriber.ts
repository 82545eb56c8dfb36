import type { ErrorCode } from '../contract/errors.ts'
import type { LiveServerMessage } from '../contract/live.ts'
import type { Entry } from './frame-ring.ts'
import type { Reader, SnapshotRead, SnapshotResult } from './snapshot-reads.ts'
import type { Topic } from './topic.ts'

/** What a client of the hub may do. */
export interface Subscriber {
  /** Replaces nothing: adds topics. With `after`, what followed is sent where the ring still has it, else snapshots. */
  subscribe(topics: readonly Topic[], after?: { hub: string; seq: number }): void
  /** Whether it draws samples; it does until it says otherwise. */
  drawSamples(wanted: boolean): void
  unsubscribe(names: readonly string[]): void
  /** Refuses something the client asked for; the frame takes its number and its place behind what is queued. */
  refuse(code: ErrorCode, message: string): void
  /** Forgets what is queued and sends a fresh snapshot of every topic: what a slow client is cut to. */
  cutToSnapshot(): void
  close(): void
}

/** What a subscriber needs from its hub. */
export interface HubSide {
  /** Name of the running collector. */
  readonly hub: string
  follow(topic: string, subscriber: HubSubscriber): void
  unfollow(topic: string, subscriber: HubSubscriber): void
  leave(subscriber: HubSubscriber): void
  /** The entries after `seq`, or null where some are gone already; `withSamples`: or some samples were not kept. */
  entriesAfter(after: { hub: string; seq: number }, withSamples: boolean): Entry[] | null
  changedAfter(topic: string, seq: number): boolean
  /** The next number, for a frame that only one client gets. */
  takeNumber(): number
  readSnapshot(topic: string, reader: Reader | null, wanted: () => boolean): SnapshotRead
}

/** A frame in a subscriber's queue; `text` is null while its snapshot is still being read. */
interface Queued {
  text: string | null
  /** Set where it is a snapshot. */
  awaits?: { topic: string; read: SnapshotRead }
}

/** Frames, and characters of them, that may wait behind one snapshot; beyond it the subscriber is cut to fresh snapshots. */
const MAX_WAITING = 2_000
const MAX_WAITING_LENGTH = 1024 * 1024

/** One client's subscriptions and queue. */
export class HubSubscriber implements Subscriber {
  readonly #hub: HubSide
  readonly #send: (text: string) => void
  readonly #reader: Reader | null
  readonly #topics = new Map<string, Topic>()
  #queue: Queued[] = []
  /** Characters of what waits behind snapshots, without these. */
  #queuedLength = 0
  #drawsSamples = true

  constructor(hub: HubSide, send: (text: string) => void, reader: Reader | null) {
    this.#hub = hub
    this.#send = send
    this.#reader = reader
  }

  /** Whether there is anything to draw samples for. */
  get drawsSamples(): boolean {
    return this.#drawsSamples && this.#topics.size > 0
  }

  drawSamples(wanted: boolean): void {
    this.#drawsSamples = wanted
  }

  subscribe(topics: readonly Topic[], after?: { hub: string; seq: number }): void {
    const fresh = topics.filter((topic) => !this.#topics.has(topic.name))
    const began = performance.now()
    // A caller who has used up the allowance gets snapshots in turn, and no immediate replay.
    const mayReplay = after !== undefined && (this.#reader === null || this.#reader.reads.hasLeft)
    const missed = mayReplay ? this.#replay(fresh, after) : null
    for (const text of missed ?? []) this.#put(text)
    for (const topic of fresh) {
      this.#topics.set(topic.name, topic)
      this.#hub.follow(topic.name, this)
    }
    if (mayReplay) this.#reader?.reads.spend(performance.now() - began)
    for (const topic of fresh) {
      if (missed !== null && after !== undefined && !this.#hub.changedAfter(topic.name, after.seq)) continue
      this.#askFor(topic.name)
    }
  }

  unsubscribe(names: readonly string[]): void {
    for (const name of names) {
      if (this.#topics.delete(name)) this.#hub.unfollow(name, this)
    }
    this.#queue = this.#queue.filter(
      ({ text, awaits }) => text !== null || awaits === undefined || this.#topics.has(awaits.topic),
    )
    this.#flush()
  }

  refuse(code: ErrorCode, message: string): void {
    this.#put(frame({ type: 'error', hub: this.#hub.hub, seq: this.#hub.takeNumber(), code, message }))
  }

  cutToSnapshot(): void {
    this.#queue = []
    this.#queuedLength = 0
    for (const name of this.#topics.keys()) this.#askFor(name)
  }

  close(): void {
    for (const name of this.#topics.keys()) this.#hub.unfollow(name, this)
    this.#topics.clear()
    this.#queue = []
    this.#queuedLength = 0
    this.#hub.leave(this)
  }

  /** Keeps the snapshot's place in the order of the numbers until it has been read. */
  queueSnapshot(topic: string, seq: number, read: SnapshotRead): void {
    // One that has not begun will contain the same state.
    if (
      this.#queue.some(
        ({ text, awaits }) => text === null && awaits?.topic === topic && !awaits.read.isStarted,
      )
    )
      return
    const queued: Queued = { text: null, awaits: { topic, read } }
    this.#queue.push(queued)
    void read.result.then((result) => {
      queued.text = result === null ? '' : this.#snapshotFrame(topic, seq, result)
      this.#flush()
    })
  }

  /** Frames of what followed; null where some is gone, or so much came that snapshots are less work for both sides. */
  #replay(topics: readonly Topic[], after: { hub: string; seq: number }): string[] | null {
    const frames: string[] = []
    let length = 0
    const withSamples = this.#drawsSamples && topics.some((topic) => topic.wantsSample !== undefined)
    const entries = this.#hub.entriesAfter(after, withSamples)
    if (entries === null) return null
    for (const entry of entries) {
      if (entry.kind === 'samples' && !this.#drawsSamples) continue
      const matching = matchingOf(topics, entry)
      if (matching.length === 0) continue
      const text = this.#entryFrame(entry, matching)
      length += text.length
      if (length > MAX_WAITING_LENGTH) return null
      frames.push(text)
    }
    return frames
  }

  #askFor(topic: string): void {
    const seq = this.#hub.takeNumber()
    this.queueSnapshot(
      topic,
      seq,
      this.#hub.readSnapshot(topic, this.#reader, () => this.#topics.has(topic)),
    )
  }

  #snapshotFrame(topic: string, seq: number, result: SnapshotResult): string {
    const { hub } = this.#hub
    if ('error' in result) {
      const { code, message } = result.error
      return frame({ type: 'error', hub, seq, code, message })
    }
    // The data is already JSON, shared by all subscribers.
    return `{"type":"snapshot","hub":"${hub}","seq":${seq},"topic":${JSON.stringify(topic)},"data":${result.json}}`
  }

  offer(entry: Entry, cache: Map<string, string>): void {
    if (entry.kind === 'samples' && !this.#drawsSamples) return
    const matching = matchingOf([...this.#topics.values()], entry)
    if (matching.length === 0) return
    const key = matching.map((topic) => topic.name).join(' ')
    let text = cache.get(key)
    if (text === undefined) {
      text = this.#entryFrame(entry, matching)
      cache.set(key, text)
    }
    this.#put(text)
  }

  #put(text: string): void {
    if (this.#queue.length === 0) this.#send(text)
    else if (this.#queue.length >= MAX_WAITING || this.#queuedLength + text.length > MAX_WAITING_LENGTH)
      this.cutToSnapshot()
    else {
      this.#queue.push({ text })
      this.#queuedLength += text.length
    }
  }

  /** One frame for each entry, also where several topics match: `topic` is the first, `topics` are all of them. */
  #entryFrame(entry: Entry, matching: readonly Topic[]): string {
    const topics = matching.map((topic) => topic.name)
    const head = `"hub":"${this.#hub.hub}","seq":${entry.seq},"topic":${JSON.stringify(topics[0])},"topics":${JSON.stringify(topics)}`
    if (entry.kind === 'event') return `{"type":"event",${head},"event":${entry.json}}`
    const points = entry.points.filter((point) =>
      matching.some((topic) => topic.wantsSample?.(point) ?? false),
    )
    const json = points.length === entry.points.length ? entry.json : JSON.stringify(points)
    return `{"type":"sample",${head},"points":${json}}`
  }

  #flush(): void {
    while (this.#queue.length > 0) {
      const [queued] = this.#queue
      const text = queued?.text
      if (text === null || text === undefined) return
      this.#queue.shift()
      if (queued?.awaits === undefined) this.#queuedLength -= text.length
      if (text !== '') this.#send(text)
    }
  }
}

const matchingOf = (topics: readonly Topic[], entry: Entry): Topic[] =>
  topics.filter((topic) =>
    entry.kind === 'event'
      ? topic.wantsEvent(entry.facts)
      : entry.points.some((point) => topic.wantsSample?.(point) ?? false),
  )

/** A frame as it is sent. */
const frame = (message: LiveServerMessage): string => JSON.stringify(message)
