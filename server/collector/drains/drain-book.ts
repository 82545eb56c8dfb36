import { isActiveDrain } from '../../contract/drain-rules.ts'
import type { Drain, HeldPart } from '../../contract/drains.ts'
import { AppError } from '../../contract/errors.ts'
import type { FleetEvent } from '../../contract/events.ts'
import type { LivePublisher } from '../../contract/publisher.ts'
import type { Log } from '../../observe/log.ts'
import type { Store, StoredDrain } from '../../store/store.ts'
import { type Absence, absenceIn } from './absences.ts'
import type { DrainClock } from './drain-clock.ts'
import type { DrainFleet } from './drain-fleet.ts'
import { progressOf } from './drain-progress.ts'
import { DrainRecord, type EmergencyLog } from './drain-record.ts'
import { DrainRun } from './drain-run.ts'
import { heldParts } from './held.ts'
import { ServingFloor } from './serving-floor.ts'
import { type Standing, standingIn } from './standing.ts'
import { storeInTime } from './store-in-time.ts'

/** Ended drains live in the store; only a few stay in memory. */
const MAX_ENDED_IN_MEMORY = 50

export interface DrainBookOptions {
  store: Store
  fleet: DrainFleet
  live: Pick<LivePublisher, 'changed'>
  log: Log
  clock: DrainClock
  tickMs?: number | undefined
  emergency?: EmergencyLog | undefined
  /** A store that says nothing for so long (ms) is treated as one that says no. */
  storePatienceMs: number
}

/** The drains that this process knows: those it drives, and a few that have ended. */
export class DrainBook {
  readonly floor: ServingFloor
  readonly #options: DrainBookOptions
  readonly #runs = new Map<string, DrainRun>()
  #closed = false

  constructor(options: DrainBookOptions) {
    this.#options = options
    this.floor = new ServingFloor(options.fleet, () => this.active())
  }

  get runs(): readonly DrainRun[] {
    return [...this.#runs.values()]
  }

  get(id: string): DrainRun | null {
    return this.#runs.get(id) ?? null
  }

  /** Asks the store, within its patience. */
  ask<T>(question: (store: Store) => Promise<T>): Promise<T> {
    return storeInTime(this.#options.storePatienceMs, question(this.#options.store))
  }

  /** The drain with this id, from the store where it is not in memory. Rejects with `ERR_NOT_FOUND`. */
  async find(id: string): Promise<DrainRun> {
    const known = this.get(id)
    if (known !== null) return known
    const stored = await this.ask((store) => store.drain(id))
    if (stored === null) throw new AppError('ERR_NOT_FOUND', `There is no drain ${id}`, {})
    // Somebody else may have found it meanwhile.
    return this.get(id) ?? this.runOf(stored.drain, stored.resume, true)
  }

  /** Nobody drives it yet, and nobody else sees it. */
  runOf(drain: Drain, resume: Record<string, unknown>, adopted: boolean): DrainRun {
    const { store, fleet, live, log, clock, emergency, storePatienceMs, tickMs } = this.#options
    const nodes = drain.steps.map((step) => step.node)
    const record = new DrainRecord(drain, progressOf(resume, nodes), {
      store,
      live,
      log,
      clock,
      emergency,
      storePatienceMs,
      storedVersion: adopted ? drain.version : 0,
    })
    return new DrainRun({ record, fleet, store, floor: this.floor, log, clock, adopted }, tickMs)
  }

  /** Takes it in, and forgets the oldest that have nothing more to do. */
  keep(run: DrainRun): void {
    this.#runs.set(run.drain.id, run)
    for (const [id, known] of this.#runs) {
      if (this.#runs.size <= MAX_ENDED_IN_MEMORY) return
      if (!known.driven && known !== run) this.#runs.delete(id)
    }
  }

  /** Goes on with an unfinished drain of an earlier process. */
  adopt(stored: StoredDrain): void {
    const { log } = this.#options
    const { id, state } = stored.drain
    if (this.#closed || this.#runs.has(id)) return
    try {
      const run = this.runOf(stored.drain, stored.resume, true)
      if (!run.driven) return
      const other = isActiveDrain(stored.drain) ? this.activeOn(run.nodes) : null
      if (other !== null) {
        log.error(
          { drain: id, other: other.id },
          'an unfinished drain is not taken up: another one was begun there while the store was away',
        )
        return
      }
      log.info({ drain: id, state }, 'an unfinished drain goes on')
      this.keep(run)
      run.start()
    } catch (error) {
      // One record that cannot be used must not keep the others from going on.
      log.error({ drain: id, err: error }, 'an unfinished drain cannot be taken up')
    }
  }

  active(): Drain[] {
    return this.runs.map((run) => run.drain).filter(isActiveDrain)
  }

  /** The active drain that has one of these nodes; `except` is the one that asks. */
  activeOn(nodes: readonly string[], except: string | null = null): Drain | null {
    const hasOne = (drain: Drain) => drain.steps.some((step) => nodes.includes(step.node))
    return this.active().find((drain) => drain.id !== except && hasOne(drain)) ?? null
  }

  /** What is out of service because of a drain that ended or holds, oldest first. */
  held(): HeldPart[] {
    let known: ReadonlySet<string> | null = null
    return heldParts(
      this.runs.map((run) => run.drain),
      (node) => {
        // Every overview asks, and nearly always nothing is out: the whole fleet is not put together for that.
        known ??= new Set(this.#options.fleet.nodes().map(({ id }) => id))
        return known.has(node)
      },
    )
  }

  absence(node: string): Absence | null {
    for (const run of this.runs) {
      const absence = run.driven ? absenceIn(run.drain, node) : null
      if (absence !== null) return absence
    }
    return null
  }

  /** Where a drain has this node; null where none has it. */
  standing(node: string): Standing | null {
    for (const run of this.runs) {
      const standing = run.driven ? standingIn(run.drain, node) : null
      if (standing !== null) return standing
    }
    return null
  }

  progress(): { driven: number; longestWithoutTickMs: number | null } {
    const ages = this.runs.filter((run) => run.driven).map((run) => run.idleMs)
    return { driven: ages.length, longestWithoutTickMs: ages.length === 0 ? null : Math.max(...ages) }
  }

  observe(event: FleetEvent): void {
    for (const run of this.#runs.values()) run.observe(event)
  }

  /** Stops driving; active drains go on at the next start. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all(this.runs.map((run) => run.stop()))
  }
}
