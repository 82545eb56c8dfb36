import type { DrainBook } from '../drain-book.ts'
import type { DrainClock } from '../drain-clock.ts'
import type { DrainFleet } from '../drain-fleet.ts'

/** What the verbs of the desk have at hand. */
export interface DeskRoom {
  readonly book: DrainBook
  readonly fleet: DrainFleet
  readonly clock: DrainClock
}
