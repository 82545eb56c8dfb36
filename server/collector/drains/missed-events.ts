import type { Drain } from '../../contract/drains.ts'
import type { FleetEvent } from '../../contract/events.ts'
import type { Store } from '../../store/store.ts'
import { storeInTime } from './store-in-time.ts'

const READ_MS = 5_000
const PAGE = 1_000
const MAX_PAGES = 20

/** Everything stored since a drain was created that its report is made of, in order. Throws where the store does not answer. */
export async function* eventsOfDrain(
  store: Pick<Store, 'events'>,
  drain: Drain,
): AsyncGenerator<FleetEvent, void, undefined> {
  let cursor: string | undefined
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const { items, nextCursor } = await storeInTime(
      READ_MS,
      store.events({
        from: drain.createdAt,
        types: ['tunnel.registered', 'drain.completed'],
        order: 'asc',
        limit: PAGE,
        ...(cursor === undefined ? {} : { cursor }),
      }),
    )
    yield* items
    if (nextCursor === null) return
    cursor = nextCursor
  }
}
