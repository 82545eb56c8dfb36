import type { Log } from '../observe/log.ts'
import type { Turn } from '../time/turn.ts'
import type { TunnelLists } from './fleet/tunnel-lists.ts'
import type { Recorder } from './history/recorder.ts'
import type { MaintenanceWindows } from './maintenance/windows.ts'
import { Recurring } from './pace/recurring.ts'
import type { Detector } from './signals/detector.ts'
import type { ControlRoom } from './watch/control-room.ts'
import type { WatchedRecord } from './watched-record.ts'

const EVALUATE_MS = 1_000
const SAVE_TUNNELS_MS = 1_000
const WRITE_HISTORY_MS = 1_000
const READ_TUNNELS_MS = 10_000
const LOOK_MAINTENANCE_MS = 1_000
const READ_MAINTENANCE_MS = 5_000

export interface RoundsOptions {
  log: Log
  /** Changes of incidents, one at a time. */
  changes: Turn
  detector: Detector
  watched: WatchedRecord
  room: ControlRoom
  tunnels: TunnelLists
  history: Recorder
  maintenance: MaintenanceWindows
  /** Wall clock in epoch ms. */
  now: () => number
}

/** What a collector does again and again beside its polls. */
export class Rounds {
  readonly #options: RoundsOptions
  readonly #recurring: Recurring

  constructor(options: RoundsOptions) {
    this.#options = options
    this.#recurring = new Recurring(options.log)
  }

  start(): void {
    const { tunnels, history, maintenance } = this.#options
    const recurring = this.#recurring
    recurring.every(EVALUATE_MS, 'the look at signals', () => this.#evaluate())
    recurring.every(SAVE_TUNNELS_MS, 'saving the host map', () => tunnels.save())
    recurring.every(WRITE_HISTORY_MS, 'writing history', () => history.write())
    recurring.every(READ_TUNNELS_MS, 'reading lists of tunnels', () => tunnels.readAll())
    recurring.every(LOOK_MAINTENANCE_MS, 'the look at maintenance', async () => maintenance.look())
    recurring.every(READ_MAINTENANCE_MS, 'reading maintenance windows', () => maintenance.refresh())
  }

  /** What runs at the moment ends by itself. */
  close(): void {
    this.#recurring.close()
  }

  async #evaluate(): Promise<void> {
    const { changes, detector, watched, room, now } = this.#options
    await changes.run(() => detector.evaluate(now()))
    // Only now: what left while nobody looked has been closed.
    await watched.save(detector.watched)
    room.detected()
  }
}
