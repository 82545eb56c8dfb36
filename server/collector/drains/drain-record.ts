import type { AuditRow } from '../../contract/access.ts'
import type { Drain, DrainReport, DrainStep } from '../../contract/drains.ts'
import { AppError } from '../../contract/errors.ts'
import type { LivePublisher } from '../../contract/publisher.ts'
import type { DrainState } from '../../contract/states.ts'
import type { Log } from '../../observe/log.ts'
import type { Store } from '../../store/store.ts'
import { Turn } from '../../time/turn.ts'
import type { DrainClock } from './drain-clock.ts'
import type { DrainProgress } from './drain-progress.ts'
import { storeInTime } from './store-in-time.ts'

/** What only the page wants is written so often; what decides is written at once. */
const SAVE_MS = 1_000
/** An operator who pressed Abort saw a page that was so old at most. */
const OUTRUN_MS = 5_000
/** Audit rows that wait for a store that is away; more would be a loop. */
const MAX_AUDIT_WAITING = 100

export type AuditInput = Omit<AuditRow, 'id'>

/** Takes an audit row down outside the store, durably, for as long as the store cannot be written. Throws where even that fails. */
export type EmergencyLog = (row: AuditInput) => void

export interface DrainRecordOptions {
  store: Pick<Store, 'createDrain' | 'saveDrain'>
  live: Pick<LivePublisher, 'changed'>
  log: Log
  clock: DrainClock
  emergency?: EmergencyLog | undefined
  /** A store that says nothing for so long is treated as one that says no. */
  storePatienceMs: number
  /** Version that the store holds; 0 before the first write. */
  storedVersion: number
}

export interface Transition {
  /** What the caller saw: another version is `ERR_VERSION_CONFLICT` with who changed it, when, and the version now. */
  expectedVersion: number
  note?: string | null
  end?: 'serving' | 'held'
  audit?: readonly AuditInput[]
  /** Made at the last moment, of what is known then. */
  report?: () => DrainReport
  /** An abort is not refused because the drain itself went one step on while the operator reached for it. */
  outrunsTick?: boolean
  /** Changes of the progress that belong to this transition. */
  progress?: Partial<DrainProgress>
}

/**
 * The durable record of one drain: what everybody sees, its version, and what is needed to go on. One writer at a time. While the
 * store cannot be written the record goes on in memory and in the emergency log, and is written when the store is back.
 */
export class DrainRecord {
  readonly progress: DrainProgress
  readonly #options: DrainRecordOptions
  #drain: Drain
  #storedVersion: number
  #audit: AuditInput[] = []
  #revision = 0
  #savedRevision = 0
  #savedAt = Number.NEGATIVE_INFINITY
  /** One writer at a time: an operator's verb and a tick never interleave between reading the version and writing it. */
  readonly #writes = new Turn()
  /** The version as an operator last made it, and when the drain itself last went on (monotonic ms). */
  #operatorVersion: number
  #wentOnAt = Number.NEGATIVE_INFINITY
  #unwritten = false

  constructor(drain: Drain, progress: DrainProgress, options: DrainRecordOptions) {
    this.#drain = drain
    this.progress = progress
    this.#options = options
    this.#storedVersion = options.storedVersion
    this.#operatorVersion = drain.version
  }

  get drain(): Drain {
    return this.#drain
  }

  /** True while the store does not hold what is shown. */
  get unwritten(): boolean {
    return this.#unwritten
  }

  /** The first write. Rejects where the store says no (`ERR_DRAIN_RUNNING`); a store that is away is no reason not to drain. */
  create(audit: readonly AuditInput[]): Promise<void> {
    return this.#writes.run(async () => {
      await this.#write(this.#drain, 'create', audit)
    })
  }

  /** Changes what the page shows, without a new version; written with the next save. */
  change(change: Partial<Pick<Drain, 'steps' | 'moves' | 'note'>>): void {
    this.#drain = { ...this.#drain, ...change }
    this.touch()
  }

  /** Changes one step; nothing happens where it says so already. */
  step(node: string, change: Partial<DrainStep>): void {
    const known = this.#drain.steps.find((step) => step.node === node)
    if (known === undefined || JSON.stringify({ ...known, ...change }) === JSON.stringify(known)) return
    const steps = this.#drain.steps.map((step) => (step.node === node ? { ...step, ...change } : step))
    this.change({ steps })
  }

  note(note: string | null): void {
    if (this.#drain.note !== note) this.change({ note })
  }

  /** The progress has changed. */
  touch(): void {
    this.#revision += 1
    this.#options.live.changed(`drain:${this.#drain.id}`)
  }

  /** Writes what has changed: at once where something is about to be done because of it, else not more than once a second. */
  async save(options: { atOnce?: boolean } = {}): Promise<void> {
    const { clock } = this.#options
    if (this.#revision === this.#savedRevision && !this.#unwritten) return
    if (options.atOnce !== true && clock.monotonic() - this.#savedAt < SAVE_MS) return
    await this.#writes.run(() => this.#write(this.#drain, 'save'))
    this.#options.live.changed('overview')
  }

  /** Changes the state: durably first, then for everybody to see. Answers the state it had before. */
  transition(to: DrainState, by: string, options: Transition): Promise<{ from: DrainState; drain: Drain }> {
    return this.#writes.run(async () => {
      const { expectedVersion, note = null, end, audit = [], report } = options
      this.check(expectedVersion, options)
      const from = this.#drain.state
      if (end !== undefined) this.progress.end = end
      Object.assign(this.progress, options.progress)
      if (from === to) {
        this.touch()
        return { from, drain: this.#drain }
      }
      const change = {
        state: to,
        version: this.#drain.version + 1,
        updatedAt: new Date(this.#options.clock.now()).toISOString(),
        updatedBy: by,
        note,
        ...(report === undefined ? {} : { report: report() }),
      }
      await this.#write({ ...this.#drain, ...change }, 'transition', audit)
      // Events that came in during the write have changed other fields.
      this.#drain = { ...this.#drain, ...change }
      if (by === 'tidegate') this.#wentOnAt = this.#options.clock.monotonic()
      else this.#operatorVersion = change.version
      this.#revision += 1
      this.#options.live.changed(`drain:${this.#drain.id}`)
      this.#options.live.changed('overview')
      return { from, drain: this.#drain }
    })
  }

  /** Resolves when nothing is being written. */
  settled(): Promise<void> {
    return this.#writes.settled()
  }

  /** True while nobody has changed the state since `seen` was read, and it is this one. */
  isStill(seen: number, state: DrainState): boolean {
    return this.#drain.version === seen && this.#drain.state === state
  }

  /** Throws `ERR_VERSION_CONFLICT` where somebody else changed the drain since `seen`. */
  check(seen: number, options: Pick<Transition, 'outrunsTick'> = {}): void {
    const { updatedBy: by, updatedAt: at, version, state } = this.#drain
    if (seen === version || (options.outrunsTick === true && this.#isOutrun(seen))) return
    throw new AppError('ERR_VERSION_CONFLICT', `${by} changed this drain at ${at}; it is ${state} now`, {
      by,
      at,
      version,
    })
  }

  #isOutrun(seen: number): boolean {
    return (
      seen === this.#drain.version - 1 &&
      seen >= this.#operatorVersion &&
      this.#options.clock.monotonic() - this.#wentOnAt <= OUTRUN_MS
    )
  }

  async #write(
    next: Drain,
    why: 'create' | 'save' | 'transition',
    rows: readonly AuditInput[] = [],
  ): Promise<void> {
    const audit = [...this.#audit, ...rows].slice(-MAX_AUDIT_WAITING)
    const revision = this.#revision
    try {
      await this.#send(next, audit)
      if (this.#unwritten)
        this.#options.log.info({ drain: next.id }, 'the store is back; the drain is written again')
      this.#storedVersion = next.version
      this.#audit = []
      this.#savedRevision = revision
      this.#savedAt = this.#options.clock.monotonic()
      this.#unwritten = false
    } catch (error) {
      if (!isAway(error)) throw error
      this.#keepInMemory(next, why, rows, error)
    }
  }

  async #send(next: Drain, audit: readonly AuditInput[]): Promise<void> {
    const { store, storePatienceMs } = this.#options
    const stored = { drain: next, resume: { ...this.progress } }
    const attempt = () =>
      this.#storedVersion === 0
        ? store.createDrain(stored, audit)
        : store.saveDrain(stored, this.#storedVersion, audit)
    try {
      await storeInTime(storePatienceMs, attempt())
    } catch (error) {
      // A write that took too long may have been done after all; nobody else writes this record.
      const version =
        error instanceof AppError && error.code === 'ERR_VERSION_CONFLICT' && error.facts.version
      if (!this.#unwritten || typeof version !== 'number') throw error
      this.#storedVersion = version
      await storeInTime(storePatienceMs, attempt())
    }
  }

  /** An operator in trouble must be able to drain and to abort although nothing can be written. */
  #keepInMemory(
    next: Drain,
    why: 'create' | 'save' | 'transition',
    rows: readonly AuditInput[],
    error: unknown,
  ): void {
    const { log, clock } = this.#options
    if (!this.#unwritten)
      log.error({ drain: next.id, err: error }, 'the store cannot be written; the drain goes on without it')
    this.#unwritten = true
    this.#savedAt = clock.monotonic()
    if (why === 'save') return
    for (const row of rows.length > 0 ? rows : [storyOf(next)]) this.#takeDown(row)
  }

  #takeDown(row: AuditInput): void {
    const { emergency, log } = this.#options
    try {
      if (emergency === undefined) throw new AppError('ERR_STORE_UNAVAILABLE', 'there is no emergency log')
      emergency(row)
    } catch (error) {
      // Then the log of the process has it, and memory keeps it for the store.
      log.error({ err: error, row }, 'a change of a drain could not be taken down')
      this.#audit = [...this.#audit, row].slice(-MAX_AUDIT_WAITING)
    }
  }
}

/** What the drain itself did, for the emergency log: in ordinary times its record says so. */
const storyOf = (drain: Drain): AuditInput => ({
  at: drain.updatedAt,
  actor: drain.updatedBy,
  address: null,
  action: `drain.${drain.state}`,
  object: `drain:${drain.id}`,
  before: null,
  after: {
    state: drain.state,
    version: drain.version,
    region: drain.region ?? null,
    node: drain.node ?? null,
    steps: drain.steps.map(({ node, phase, outcome }) => ({ node, phase, outcome: outcome ?? null })),
  },
  reason: drain.note,
})

const isAway = (error: unknown): boolean =>
  error instanceof AppError && error.code === 'ERR_STORE_UNAVAILABLE'
