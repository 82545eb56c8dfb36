import type { Log } from '../../observe/log.ts'
import type { Store } from '../../store/store.ts'
import type { DrainClock } from './drain-clock.ts'
import type { DrainFleet } from './drain-fleet.ts'
import type { DrainRecord } from './drain-record.ts'
import type { ServingFloor } from './serving-floor.ts'

/** What all parts of one drain share. */
export interface DrainContext {
  readonly record: DrainRecord
  readonly fleet: DrainFleet
  readonly floor: ServingFloor
  readonly store: Pick<Store, 'events'>
  readonly log: Log
  readonly clock: DrainClock
  /** Taken up after a start of the collector: at first nothing is known of the fleet. */
  readonly adopted: boolean
}
