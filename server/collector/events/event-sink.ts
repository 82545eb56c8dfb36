import { ulid } from 'ulid'
import type { EventData, EventType, FleetEvent, LivePublisher } from '../../contract/index.ts'
import type { Log } from '../../observe/log.ts'
import type { EventInput, Store } from '../../store/store.ts'
import { Intake, type IntakeFigures } from './intake.ts'

/** What happens with an event once it is stored. */
export type EventTaker = (event: FleetEvent) => void

/**
 * Where every event of the fleet goes: into the store first, then, in the order of the store, to those that take stored events. Events of
 * the collector's own are numbered here.
 */
export class EventSink {
  readonly #intake: Intake
  readonly #live: Pick<LivePublisher, 'event'>
  readonly #log: Log
  readonly #now: () => number
  readonly #regionOf: (node: string) => string | null
  readonly #takers: EventTaker[] = []
  readonly #epoch = ulid()
  #ownSeq = 0
  #newestId = 0
  #liveOnly = 0

  constructor(options: {
    store: Pick<Store, 'appendEvents'>
    live: Pick<LivePublisher, 'event'>
    log: Log
    /** Wall clock in epoch ms. */
    now: () => number
    regionOf: (node: string) => string | null
  }) {
    this.#live = options.live
    this.#log = options.log
    this.#now = options.now
    this.#regionOf = options.regionOf
    this.#intake = new Intake({
      store: options.store,
      log: options.log,
      now: options.now,
      onStored: (event) => this.#stored(event),
    })
  }

  /** Takers are called in the order in which they came. */
  handTo(...takers: EventTaker[]): void {
    this.#takers.push(...takers)
  }

  /** Takes an event of a node; false where there is no room at the moment. */
  accept(event: EventInput, bytes?: number): boolean {
    return this.#intake.push(event, bytes)
  }

  /** Resolves when there may be room again. */
  room(): Promise<void> {
    return this.#intake.room()
  }

  /** Stores an event of the collector's own. Resolves with null where that takes too long; it is stored later. */
  record<T extends EventType>(
    type: T,
    data: EventData<T>,
    where: { node?: string | null; region?: string | null; at?: number } = {},
  ): Promise<FleetEvent | null> {
    const receivedAt = new Date(this.#now()).toISOString()
    this.#ownSeq += 1
    return this.#intake.store({
      origin: '@collector',
      source: 'collector',
      epoch: this.#epoch,
      seq: this.#ownSeq,
      node: where.node ?? null,
      region: where.region ?? (where.node ? this.#regionOf(where.node) : null),
      type,
      at: where.at === undefined ? receivedAt : new Date(where.at).toISOString(),
      receivedAt,
      data: data as FleetEvent['data'],
    })
  }

  /** An event that pages are shown and nobody stores. Its number lies between those of stored ones. */
  showOnly(event: Omit<FleetEvent, 'id'>): void {
    this.#liveOnly = (this.#liveOnly + 1) % 1_000_000
    this.#live.event({ ...event, id: this.#newestId + this.#liveOnly / 1_000_000 })
  }

  figures(): IntakeFigures {
    return this.#intake.figures()
  }

  /** Writes what waits. */
  close(): Promise<void> {
    return this.#intake.close()
  }

  #stored(event: FleetEvent): void {
    this.#newestId = Math.max(this.#newestId, event.id)
    for (const take of this.#takers) {
      try {
        take(event)
      } catch (error) {
        // One taker's fault must not keep the event from the others.
        this.#log.error({ err: error, type: event.type }, 'a taker of stored events threw')
      }
    }
  }
}
