import type { Actor } from '../../../contract/access.ts'
import type {
  Drain,
  DrainAction,
  DrainActionRequest,
  DrainCreateRequest,
  DrainPlan,
  DrainPreviewRequest,
  HeldPart,
} from '../../../contract/drains.ts'
import { AppError } from '../../../contract/errors.ts'
import type { Page } from '../../../contract/ids.ts'
import type { LivePublisher } from '../../../contract/publisher.ts'
import type { Log } from '../../../observe/log.ts'
import type { Store } from '../../../store/store.ts'
import type { DrainDesk } from '../../desks/drain-desk.ts'
import type { Absence } from '../absences.ts'
import { DrainBook } from '../drain-book.ts'
import { type DrainClock, systemClock } from '../drain-clock.ts'
import type { DrainFleet } from '../drain-fleet.ts'
import type { EmergencyLog } from '../drain-record.ts'
import type { Standing } from '../standing.ts'
import { UnfinishedDrains } from '../unfinished.ts'
import { createDrain } from './create.ts'
import type { DeskRoom } from './desk-room.ts'
import { type DrainFilter, listDrains } from './list.ts'
import { previewDrain } from './preview.ts'
import { steerDrain } from './steer.ts'

export interface DrainDeskOptions extends Partial<DrainClock> {
  store: Store
  fleet: DrainFleet
  live: Pick<LivePublisher, 'changed'>
  log: Log
  /** Milliseconds between two ticks of a drain. */
  tickMs?: number
  /** Where changes of drains are taken down while the store cannot be written. It puts them into the audit when the store is back. */
  emergency?: EmergencyLog | undefined
  /** A store that says nothing for so long is treated as one that says no. */
  storePatienceMs?: number
}

const STORE_PATIENCE_MS = 5_000

/** Where operators plan, start and steer drains; it drives those that are not finished. */
export class RunningDrainDesk implements DrainDesk {
  readonly #options: DrainDeskOptions
  readonly #book: DrainBook
  readonly #room: DeskRoom
  readonly #unfinished: UnfinishedDrains
  #unsubscribe: (() => void) | null = null

  constructor(options: DrainDeskOptions) {
    const { store, fleet, live, log, tickMs, emergency, storePatienceMs = STORE_PATIENCE_MS } = options
    const { now = systemClock.now, monotonic = systemClock.monotonic } = options
    const clock: DrainClock = { now, monotonic }
    this.#options = options
    this.#book = new DrainBook({ store, fleet, live, log, clock, tickMs, emergency, storePatienceMs })
    this.#room = { book: this.#book, fleet, clock }
    this.#unfinished = new UnfinishedDrains(this.#book, fleet, log)
  }

  /** Loads unfinished drains and goes on with each; never rejects: what the store does not give now is asked for again. */
  async start(): Promise<void> {
    this.#unsubscribe ??= this.#options.fleet.onEvent((event) => this.#book.observe(event))
    await this.#unfinished.load()
  }

  /** Stops driving; active drains go on at the next start. */
  async close(): Promise<void> {
    this.#unfinished.close()
    this.#unsubscribe?.()
    await this.#book.close()
  }

  /** Runs `work` while no drain is begun and none takes out more. */
  decide<T>(work: () => Promise<T>): Promise<T> {
    return this.#book.floor.decide(work)
  }

  active(): Drain[] {
    return this.#book.active()
  }

  /** What is out of service because of a drain that ended or holds, oldest first. */
  held(): HeldPart[] {
    return this.#book.held()
  }

  /** Why a drain may have this node away; null where none has. */
  absence(node: string): Absence | null {
    return this.#book.absence(node)
  }

  /** Where a drain has this node; null where none has it. */
  standing(node: string): Standing | null {
    return this.#book.standing(node)
  }

  /** Drains that are driven, and how long ago (ms) the one that was longest without a tick had its last; null where none is driven. */
  progress(): { driven: number; longestWithoutTickMs: number | null } {
    return this.#book.progress()
  }

  async preview(request: DrainPreviewRequest): Promise<DrainPlan> {
    return previewDrain(this.#room, request)
  }

  async create(request: DrainCreateRequest, actor: Actor): Promise<Drain> {
    // Without the unfinished drains nobody can say what would still serve.
    if (!this.#unfinished.wereAskedFor)
      throw new AppError('ERR_STARTING', 'Unfinished drains are still being loaded; try again in a moment')
    const drain = await createDrain(this.#room, request, actor)
    const { fleet, live } = this.#options
    const where = { node: drain.node ?? null, region: drain.region ?? null }
    live.changed('overview')
    const planned = { drainId: drain.id, ...where, reason: drain.reason, actor: actor.name }
    await fleet.record('drain.planned', planned, where)
    return drain
  }

  async get(id: string): Promise<Drain | null> {
    const known = this.#book.get(id)
    return known?.drain ?? (await this.#book.ask((store) => store.drain(id)))?.drain ?? null
  }

  list(filter: DrainFilter): Promise<Page<Drain>> {
    return listDrains(this.#book, filter)
  }

  act(id: string, action: DrainAction, request: DrainActionRequest, actor: Actor): Promise<Drain> {
    return steerDrain(this.#room, id, action, request, actor)
  }
}
