import { setImmediate as nextTurn } from 'node:timers/promises'
import { AppError, type FleetEvent } from '../../contract/index.ts'
import type { Log } from '../../observe/log.ts'
import type { EventInput, Store } from '../../store/store.ts'
import { within } from '../../time/deadline.ts'

const FLUSH_MS = 25
const BATCH_SIZE = 500
const RETRY_MS = 1_000
const CLOSE_MS = 3_000
const ROOM_MS = 1_000
/** How long the recorder of an event of our own waits for it to be stored. */
const OWN_MS = 2_000

/** How far the intake has got. */
export interface IntakeFigures {
  queued: number
  queuedBytes: number
  /** Events that were refused by the store one by one and given up. */
  dropped: number
  /** Events stored since the start. */
  stored: number
  /** Milliseconds that the oldest event that is not stored has waited; null while none does. */
  oldestAgeMs: number | null
  /** Epoch ms. */
  lastStoredAt: number | null
}

interface Waiting {
  event: EventInput
  bytes: number
  since: number
}

export interface IntakeOptions {
  store: Pick<Store, 'appendEvents'>
  log: Log
  onStored: (event: FleetEvent) => void
  maxQueued?: number
  maxQueuedBytes?: number
  /** Wall clock in epoch ms. */
  now?: () => number
}

/** The one way of events into the store, in batches; what is stored is handed on in order. */
export class Intake {
  readonly #options: IntakeOptions
  readonly #maxQueued: number
  readonly #maxBytes: number
  readonly #now: () => number
  #queue: Waiting[] = []
  #queuedBytes = 0
  /** How many wait of each origin: one that floods must leave room for the others. */
  readonly #queuedOf = new Map<string, number>()
  /** Who waits for one of our own to be stored, by epoch and number. */
  readonly #waiting = new Map<string, (event: FleetEvent | null) => void>()
  /** What everybody who waits for room waits for: one for all, or a night without a store would fill the memory with them. */
  #roomWanted: { promise: Promise<void>; release: () => void } | null = null
  #timer: NodeJS.Timeout | null = null
  #flushing: Promise<void> | null = null
  #dropped = 0
  #stored = 0
  #lastStoredAt: number | null = null
  /** The store takes nothing at the moment; said once, not once a second. */
  #held = false
  #closed = false

  constructor(options: IntakeOptions) {
    this.#options = options
    this.#maxQueued = options.maxQueued ?? 20_000
    this.#maxBytes = options.maxQueuedBytes ?? 32 * 1024 * 1024
    this.#now = options.now ?? Date.now
  }

  /**
   * Queues an event. False where a ceiling is reached: the caller keeps it, waits for `room` and tries again.
   *
   * @param bytes of its data as JSON, where the caller has counted them
   */
  push(event: EventInput, bytes = Buffer.byteLength(JSON.stringify(event.data))): boolean {
    if (this.#closed || this.#queue.length >= this.#maxQueued) return false
    if (this.#queuedBytes + bytes > this.#maxBytes) return false
    if ((this.#queuedOf.get(event.origin) ?? 0) >= this.#maxQueued / 4) return false
    this.#enqueue(event, bytes)
    if (this.#queue.length >= BATCH_SIZE && !this.#flushing) void this.#flush()
    else this.#arm(FLUSH_MS)
    return true
  }

  /** Resolves when something was stored, and at the latest after a second. */
  room(): Promise<void> {
    if (this.#roomWanted !== null) return this.#roomWanted.promise
    const { promise, resolve } = Promise.withResolvers<void>()
    const release = (): void => {
      clearTimeout(deadline)
      this.#roomWanted = null
      resolve()
    }
    const deadline = setTimeout(release, ROOM_MS)
    this.#roomWanted = { promise, release }
    return promise
  }

  /** Queues one of our own, and resolves when it is stored; with null when that takes longer than 2 s (it is stored later). */
  async store(event: EventInput): Promise<FleetEvent | null> {
    // Our own events are few and tell what was done: they may pass the ceiling by a little.
    if (this.#closed || this.#queue.length >= this.#maxQueued + 1_000) return null
    const key = keyOf(event)
    const { promise, resolve } = Promise.withResolvers<FleetEvent | null>()
    this.#waiting.set(key, resolve)
    this.#enqueue(event, Buffer.byteLength(JSON.stringify(event.data)))
    this.#arm(0)
    try {
      return await within(OWN_MS, promise, { late: () => null })
    } finally {
      this.#waiting.delete(key)
    }
  }

  figures(): IntakeFigures {
    const [oldest] = this.#queue
    return {
      queued: this.#queue.length,
      queuedBytes: this.#queuedBytes,
      dropped: this.#dropped,
      stored: this.#stored,
      oldestAgeMs: oldest ? performance.now() - oldest.since : null,
      lastStoredAt: this.#lastStoredAt,
    }
  }

  /** Writes what waits, for 3 s at most; nothing is taken any more. */
  async close(): Promise<void> {
    this.#closed = true
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
    await within(CLOSE_MS, this.#flush(), { late: () => undefined })
    for (const settle of [...this.#waiting.values()]) settle(null)
    this.#roomWanted?.release()
  }

  #enqueue(event: EventInput, bytes: number): void {
    this.#queue.push({ event, bytes, since: performance.now() })
    this.#queuedBytes += bytes
    this.#queuedOf.set(event.origin, (this.#queuedOf.get(event.origin) ?? 0) + 1)
  }

  #dequeue(count: number): void {
    for (const { event, bytes } of this.#queue.slice(0, count)) {
      this.#queuedBytes -= bytes
      const left = (this.#queuedOf.get(event.origin) ?? 1) - 1
      if (left === 0) this.#queuedOf.delete(event.origin)
      else this.#queuedOf.set(event.origin, left)
    }
    this.#queue = this.#queue.slice(count)
    this.#roomWanted?.release()
  }

  #arm(ms: number): void {
    if (this.#timer || this.#flushing || this.#closed || this.#queue.length === 0) return
    this.#timer = setTimeout(() => {
      this.#timer = null
      void this.#flush()
    }, ms)
  }

  #flush(): Promise<void> {
    if (this.#flushing) return this.#flushing
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
    // `then` comes in a later turn, also for an empty queue: what is assigned here is cleared only after it was set.
    this.#flushing = this.#empty()
      .then(
        (taken) => this.#sayHeld(!taken),
        (error: unknown) => {
          this.#options.log.error(
            { err: error, queued: this.#queue.length },
            'events could not be handed to the store',
          )
          return RETRY_MS
        },
      )
      .then((againMs) => {
        this.#flushing = null
        this.#arm(againMs)
      })
    return this.#flushing
  }

  /** Says when the store begins to refuse and when it takes events again; answers when to try next, in ms. */
  #sayHeld(held: boolean): number {
    if (held !== this.#held) {
      this.#held = held
      if (held) this.#options.log.warn({ queued: this.#queue.length }, 'events wait for the store')
      else this.#options.log.info('the store takes events again')
    }
    return held ? RETRY_MS : FLUSH_MS
  }

  /** Writes until the queue is empty. False when the store cannot take more at the moment. */
  async #empty(): Promise<boolean> {
    while (this.#queue.length > 0) {
      const batch = this.#queue.slice(0, BATCH_SIZE).map(({ event }) => event)
      if (!(await this.#write(batch))) return false
      this.#dequeue(batch.length)
      // A store that answers without waiting would hold everybody else's turn for the whole of a burst.
      await nextTurn()
    }
    return true
  }

  /** True when the batch is done with: stored, or given up event by event. */
  async #write(batch: EventInput[]): Promise<boolean> {
    const { store, log } = this.#options
    try {
      this.#handOn(await store.appendEvents(batch))
      return true
    } catch (error) {
      if (error instanceof AppError && error.code === 'ERR_STORE_UNAVAILABLE') return false
      if (batch.length === 1) {
        this.#dropped += 1
        const [event] = batch
        log.error({ err: error, type: event?.type, node: event?.node }, 'an event was refused by the store')
        return true
      }
      // One bad row must not hold up the others forever.
      for (const event of batch) if (!(await this.#write([event]))) return false
      return true
    }
  }

  #handOn(events: readonly FleetEvent[]): void {
    this.#stored += events.length
    this.#lastStoredAt = this.#now()
    for (const event of events) {
      try {
        this.#options.onStored(event)
      } catch (error) {
        // One listener's fault must not make the batch look unstored.
        this.#options.log.error({ err: error, type: event.type }, 'a listener of stored events threw')
      }
      if (event.source === 'collector') this.#waiting.get(keyOf(event))?.(event)
    }
  }
}

const keyOf = (event: { epoch: string; seq: number }): string => `${event.epoch}:${event.seq}`
