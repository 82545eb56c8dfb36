import { setImmediate as nextTurn } from 'node:timers/promises'
import type { StreamPosition } from '../adapter.ts'
import type { Control, ControlTarget } from './control.ts'
import type { Lost, StreamCursor } from './stream-cursor.ts'
import { placeOf } from './stream-frames.ts'

const PAGE = 1_000
/** The same where a whole page is more than one answer may hold. */
const SMALL_PAGE = 50

export interface HoleFillerOptions {
  control: Pick<Control, 'call'>
  target: () => ControlTarget
  cursor: StreamCursor
  onLost: (lost: Lost) => void
}

/** Reads what did not come over the stream from `GET /events`; what the node no longer has is given up. */
export class HoleFiller {
  readonly #options: HoleFillerOptions

  constructor(options: HoleFillerOptions) {
    this.#options = options
  }

  /**
   * Brings the cursor to just before `upTo`. Rejects where the node does not answer.
   *
   * @param take hands one event on; false where that is not wanted any more
   * @param isWanted false once the connection that asks was dropped
   */
  async fill(
    upTo: number,
    take: (raw: unknown, place: StreamPosition) => Promise<boolean>,
    isWanted: () => boolean,
  ): Promise<void> {
    const { cursor, onLost } = this.#options
    const epoch = cursor.position?.epoch
    while (isWanted()) {
      const before = cursor.position
      if (before === null || before.epoch !== epoch || before.seq + 1 >= upTo) return
      const page = await this.#read(before, PAGE).catch(() => this.#read(before, SMALL_PAGE))
      for (const raw of page) {
        if (!isWanted()) return
        const place = placeOf(raw)
        const standing = place === null || place.seq >= upTo ? null : cursor.standingOf(place)
        if (place === null || (standing !== 'next' && standing !== 'ahead')) continue
        if (standing === 'ahead') onLost(cursor.giveUpTo(place.seq - 1))
        if (await take(raw, place)) cursor.advance(place)
      }
      // A page without anything new: what is missing is gone.
      if (cursor.position === before && isWanted()) onLost(cursor.giveUpTo(upTo - 1))
      await nextTurn()
    }
  }

  async #read(after: StreamPosition, limit: number): Promise<unknown[]> {
    const { control, target } = this.#options
    const from = encodeURIComponent(`${after.epoch}:${after.seq}`)
    const answer = await control.call(target(), 'GET', `/events?after=${from}&limit=${limit}`)
    if (answer.status !== 200) throw new Error(`GET /events answered ${answer.status}`)
    const events = (answer.body as { events?: unknown } | null)?.events
    return Array.isArray(events) ? events.slice(0, limit) : []
  }
}
