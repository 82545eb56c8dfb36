import { AppError } from '../contract/errors.ts'
import type { Log } from '../observe/log.ts'
import { within } from '../time/deadline.ts'
import type { Budget } from './budget.ts'

/** Returns the present state of a topic, or null where there is no such object. */
export type SnapshotProvider = (topic: string) => Promise<unknown>

/** A topic's state as JSON, or why there is none. */
export type SnapshotResult = { json: string } | { error: AppError }

/** On whose account a snapshot is read; null: the hub's own, because something changed. */
export interface Reader {
  /** ms of reading. */
  reads: Budget
}

/** A snapshot that is going to be read. */
export interface SnapshotRead {
  readonly result: Promise<SnapshotResult | null>
  /** From here on it may lack what happens; later callers need another one. */
  readonly isStarted: boolean
}

export interface SnapshotReadsOptions {
  snapshot: SnapshotProvider
  log: Log
  /** Reads at once. */
  maxAtOnce: number
  /** Reads that wait; beyond it they are refused. */
  maxWaiting: number
  timeoutMs: number
  /** Largest snapshot in characters. */
  maxLength: number
}

class Job implements SnapshotRead {
  readonly topic: string
  readonly result: Promise<SnapshotResult | null>
  readonly wanted: (() => boolean)[] = []
  settle: (result: SnapshotResult | null) => void = () => undefined
  isStarted = false

  constructor(topic: string) {
    this.topic = topic
    this.result = new Promise((resolve) => {
      this.settle = resolve
    })
  }
}

/**
 * Reads snapshots a few at a time, one topic once for all who wait for it, and callers take turns: one who asks for much waits for it,
 * and others do not. A caller also has an allowance of reading time, so that a loop of `subscribe` and `unsubscribe` takes a part of the
 * server and never all of it.
 */
export class SnapshotReads {
  readonly #options: SnapshotReadsOptions
  /** Jobs that have not begun, by topic. */
  readonly #waiting = new Map<string, Job>()
  readonly #lanes = new Map<Reader | null, Job[]>()
  #running = 0
  #refused = 0
  #wakeUp: NodeJS.Timeout | null = null
  #closed = false

  constructor(options: SnapshotReadsOptions) {
    this.#options = options
  }

  get waiting(): number {
    return this.#waiting.size
  }

  /** Reads refused because too many waited. */
  get refused(): number {
    return this.#refused
  }

  /** @param wanted false once the caller does not need it any more */
  read(topic: string, reader: Reader | null, wanted: () => boolean): SnapshotRead {
    const known = this.#waiting.get(topic)
    const job = known ?? new Job(topic)
    job.wanted.push(wanted)
    if (this.#closed) job.settle(null)
    else if (known === undefined && this.#waiting.size >= this.#options.maxWaiting) {
      this.#refused++
      const limit = this.#options.maxWaiting
      const message = 'Too many snapshots are being read; subscribe again in a few seconds'
      job.settle({ error: new AppError('ERR_CAPACITY', message, { ceiling: 'liveSnapshots', limit }) })
    } else {
      this.#waiting.set(topic, job)
      const lane = this.#lanes.get(reader)
      if (lane === undefined) this.#lanes.set(reader, [job])
      else if (!lane.includes(job)) lane.push(job)
      this.#next()
    }
    return job
  }

  close(): void {
    this.#closed = true
    if (this.#wakeUp !== null) clearTimeout(this.#wakeUp)
    for (const job of this.#waiting.values()) job.settle(null)
    this.#waiting.clear()
    this.#lanes.clear()
  }

  #next(): void {
    while (this.#running < this.#options.maxAtOnce && !this.#closed) {
      const picked = this.#pick()
      if (picked === null) return
      void this.#run(picked.job, picked.reader)
    }
  }

  /** The first job of the lane whose turn it is; that lane goes to the end. Null where nothing may begin now. */
  #pick(): { job: Job; reader: Reader | null } | null {
    let soonest = Number.POSITIVE_INFINITY
    for (const [reader, lane] of this.#lanes) {
      const job = this.#firstOf(lane)
      if (job === null) {
        this.#lanes.delete(reader)
        continue
      }
      if (reader !== null && !reader.reads.hasLeft) {
        soonest = Math.min(soonest, reader.reads.waitMs)
        continue
      }
      lane.shift()
      this.#lanes.delete(reader)
      if (lane.length > 0) this.#lanes.set(reader, lane)
      return { job, reader }
    }
    if (soonest < Number.POSITIVE_INFINITY && this.#wakeUp === null) {
      this.#wakeUp = setTimeout(() => {
        this.#wakeUp = null
        this.#next()
      }, soonest)
      this.#wakeUp.unref()
    }
    return null
  }

  /** The first job of a lane that was not begun by another lane and that somebody still waits for. */
  #firstOf(lane: Job[]): Job | null {
    for (let job = lane[0]; job !== undefined; job = lane[0]) {
      if (!job.isStarted && job.wanted.some((wanted) => wanted())) return job
      lane.shift()
      if (job.isStarted) continue
      job.isStarted = true
      this.#waiting.delete(job.topic)
      job.settle(null)
    }
    return null
  }

  async #run(job: Job, reader: Reader | null): Promise<void> {
    this.#running++
    job.isStarted = true
    this.#waiting.delete(job.topic)
    const began = performance.now()
    let result: SnapshotResult
    try {
      const data = await within(this.#options.timeoutMs, this.#options.snapshot(job.topic))
      const json = JSON.stringify(data ?? null) ?? 'null'
      result =
        json.length <= this.#options.maxLength ? { json } : { error: tooLarge(job.topic, this.#options) }
    } catch (error) {
      result = { error: error instanceof AppError ? error : unreadable(job.topic) }
      this.#options.log.warn({ topic: job.topic, err: error }, 'a live snapshot could not be read')
    }
    reader?.reads.spend(performance.now() - began)
    this.#running--
    job.settle(result)
    this.#next()
  }
}

const tooLarge = (topic: string, { maxLength }: SnapshotReadsOptions): AppError =>
  new AppError(
    'ERR_TOO_LARGE',
    `The snapshot of ${topic} is larger than ${maxLength} characters; read it from the API, page by page`,
    { limit: maxLength },
  )

const unreadable = (topic: string): AppError =>
  new AppError(
    'ERR_STORE_UNAVAILABLE',
    `The snapshot of ${topic} could not be read; it will be sent again when it changes`,
  )
