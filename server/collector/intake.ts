import { setImmediate as nextTurn } from 'node:timers/promises'
import { AppError, type FleetEvent } from '../contract/index.ts'
import type { Log } from '../observe/log.ts'
import type { EventInput, Store } from '../store/store.ts'

const FLUSH_MS = 25
const BATCH_SIZE = 500
const RETRY_MS = 1_000
const CLOSE_MS = 3_000
const ROOM_MS = 1_000

/** Where the intake stands. */
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

/** The one way of events into the store, in batches; what is stored is handed on in order. */
export interface Intake {
  /**
   * Queues an event. False where a ceiling is reached: the caller keeps it, waits for `room` and tries again.
   *
   * @param bytes of its data as JSON, where the caller has counted them
   */
  push(event: EventInput, bytes?: number): boolean
  /** Resolves when something was stored, and at the latest after a second. */
  room(): Promise<void>
  /** Queues one of our own, and resolves when it is stored; with null when that takes longer than 2 s (it is stored later). */
  store(event: EventInput): Promise<FleetEvent | null>
  figures(): IntakeFigures
  close(): Promise<void>
}

interface Waiting {
  event: EventInput
  bytes: number
  since: number
}

export const createIntake = (options: {
  store: Pick<Store, 'appendEvents'>
  log: Log
  onStored: (event: FleetEvent) => void
  maxQueued?: number
  maxQueuedBytes?: number
  /** Wall clock in epoch ms. */
  now?: () => number
}): Intake => {
  const maxQueued = options.maxQueued ?? 20_000
  const maxBytes = options.maxQueuedBytes ?? 32 * 1024 * 1024
  const now = options.now ?? Date.now
  let queue: Waiting[] = []
  let queuedBytes = 0
  /** How many wait of each origin: one that floods must leave room for the others. */
  const queuedOf = new Map<string, number>()
  const waiting = new Map<string, (event: FleetEvent | null) => void>()
  /** What everybody who waits for room waits for: one for all, or a night without a store would fill the memory with them. */
  let roomWanted: { promise: Promise<void>; tell: () => void } | null = null
  let timer: NodeJS.Timeout | null = null
  let flushing: Promise<void> | null = null
  let dropped = 0
  let stored = 0
  let lastStoredAt: number | null = null
  /** The store takes nothing at the moment; said once, not once a second. */
  let held = false
  let closed = false

  const keyOf = (event: { epoch: string; seq: number }) => `${event.epoch}:${event.seq}`

  const enqueue = (event: EventInput, bytes: number): void => {
    queue.push({ event, bytes, since: performance.now() })
    queuedBytes += bytes
    queuedOf.set(event.origin, (queuedOf.get(event.origin) ?? 0) + 1)
  }

  const dequeue = (count: number): void => {
    for (const { event, bytes } of queue.slice(0, count)) {
      queuedBytes -= bytes
      const left = (queuedOf.get(event.origin) ?? 1) - 1
      if (left === 0) queuedOf.delete(event.origin)
      else queuedOf.set(event.origin, left)
    }
    queue = queue.slice(count)
    roomWanted?.tell()
  }

  const arm = (ms: number): void => {
    if (timer || flushing || closed || queue.length === 0) return
    timer = setTimeout(() => {
      timer = null
      void flush()
    }, ms)
  }

  const handOn = (events: readonly FleetEvent[]): void => {
    stored += events.length
    lastStoredAt = now()
    for (const event of events) {
      try {
        options.onStored(event)
      } catch (error) {
        // One listener's fault must not make the batch look unstored.
        options.log.error({ err: error, type: event.type }, 'a listener of stored events threw')
      }
      if (event.source === 'collector') waiting.get(keyOf(event))?.(event)
    }
  }

  /** True when the batch is done with: stored, or given up event by event. */
  const write = async (batch: EventInput[]): Promise<boolean> => {
    try {
      handOn(await options.store.appendEvents(batch))
      return true
    } catch (error) {
      if (error instanceof AppError && error.code === 'ERR_STORE_UNAVAILABLE') return false
      if (batch.length === 1) {
        dropped += 1
        options.log.error(
          { err: error, type: batch[0]?.type, node: batch[0]?.node },
          'an event was refused by the store',
        )
        return true
      }
      // One bad row must not hold up the others for ever.
      for (const event of batch) if (!(await write([event]))) return false
      return true
    }
  }

  /** Writes until the queue is empty. False when the store cannot take more at the moment. */
  const empty = async (): Promise<boolean> => {
    while (queue.length > 0) {
      const batch = queue.slice(0, BATCH_SIZE).map(({ event }) => event)
      if (!(await write(batch))) return false
      dequeue(batch.length)
      // A store that answers without waiting would hold everybody else's turn for the whole of a burst.
      await nextTurn()
    }
    return true
  }

  const flush = (): Promise<void> => {
    if (flushing) return flushing
    if (timer) clearTimeout(timer)
    timer = null
    // `then` comes in a later turn, also for an empty queue: what is assigned here is cleared only after it was set.
    flushing = empty()
      .then(
        (taken) => {
          if (taken === held) {
            held = !taken
            if (held) options.log.warn({ queued: queue.length }, 'events wait for the store')
            else options.log.info('the store takes events again')
          }
          return taken ? FLUSH_MS : RETRY_MS
        },
        (error: unknown) => {
          options.log.error({ err: error, queued: queue.length }, 'events could not be handed to the store')
          return RETRY_MS
        },
      )
      .then((againMs) => {
        flushing = null
        arm(againMs)
      })
    return flushing
  }

  return {
    push(event, bytes = Buffer.byteLength(JSON.stringify(event.data))) {
      if (closed || queue.length >= maxQueued || queuedBytes + bytes > maxBytes) return false
      if ((queuedOf.get(event.origin) ?? 0) >= maxQueued / 4) return false
      enqueue(event, bytes)
      if (queue.length >= BATCH_SIZE && !flushing) void flush()
      else arm(FLUSH_MS)
      return true
    },
    room() {
      if (roomWanted !== null) return roomWanted.promise
      const { promise, resolve } = Promise.withResolvers<void>()
      const tell = (): void => {
        clearTimeout(deadline)
        roomWanted = null
        resolve()
      }
      const deadline = setTimeout(tell, ROOM_MS)
      roomWanted = { promise, tell }
      return promise
    },
    store(event) {
      // Our own events are few and tell what was done: they may pass the ceiling by a little.
      if (closed || queue.length >= maxQueued + 1_000) return Promise.resolve(null)
      return new Promise((resolve) => {
        const key = keyOf(event)
        const settle = (stored: FleetEvent | null): void => {
          clearTimeout(deadline)
          waiting.delete(key)
          resolve(stored)
        }
        const deadline = setTimeout(() => settle(null), 2_000)
        deadline.unref()
        waiting.set(key, settle)
        enqueue(event, Buffer.byteLength(JSON.stringify(event.data)))
        arm(0)
      })
    },
    figures: () => ({
      queued: queue.length,
      queuedBytes,
      dropped,
      stored,
      oldestAgeMs: queue[0] ? performance.now() - queue[0].since : null,
      lastStoredAt,
    }),
    async close() {
      closed = true
      if (timer) clearTimeout(timer)
      timer = null
      let deadline: NodeJS.Timeout | undefined
      const late = new Promise<void>((resolve) => {
        deadline = setTimeout(resolve, CLOSE_MS)
      })
      await Promise.race([flush(), late])
      clearTimeout(deadline)
      for (const settle of [...waiting.values()]) settle(null)
      roomWanted?.tell()
    },
  }
}
