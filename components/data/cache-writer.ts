import type { QueryClient } from '@tanstack/react-query'
import type { LiveServerMessage } from '@/server/contract/live.ts'
import { applyEvent, type CacheKey, type CacheReader } from './apply-event.ts'
import type { EventFilter } from './event-filter.ts'
import { Throttle } from './throttle.ts'
import { TimelineFeed } from './timeline-feed.ts'

const REFETCH_EVERY_MS = 1000
/** Topics that a tab of many days has followed. Beyond it they are new again, which costs a read. */
const MAX_SEEN = 1000

/** Puts what the socket delivers into the query cache. */
export class CacheWriter {
  readonly #client: QueryClient
  readonly #cache: CacheReader
  readonly #refetches = new Throttle(REFETCH_EVERY_MS)
  readonly #timelines: TimelineFeed
  readonly #seen = new Set<string>()

  constructor(client: QueryClient) {
    this.#client = client
    this.#timelines = new TimelineFeed(client)
    this.#cache = {
      get: (key: CacheKey) => client.getQueryData(key),
      eventLists: () =>
        client
          .getQueryCache()
          .findAll({ queryKey: ['events'] })
          .map((query) => ({ key: query.queryKey, filter: (query.queryKey[1] ?? {}) as EventFilter })),
      isFirst: (topic) => !this.#seen.has(topic),
    }
  }

  start(): void {
    this.#timelines.start()
  }

  write(frame: LiveServerMessage): void {
    for (const change of applyEvent(this.#cache, frame)) {
      if (change.do === 'set') this.#client.setQueryData(change.key, change.data)
      else if (change.do === 'tell') {
        if (change.snapshotOf === undefined) this.#timelines.take(change.list.items)
        else this.#timelines.takeSnapshot(change.snapshotOf, change.list)
      } else if (change.key[0] === 'timeline') this.#timelines.readAgain(change.key[1] as string | undefined)
      else {
        const { key } = change
        this.#refetches.run(JSON.stringify(key), () => this.#client.invalidateQueries({ queryKey: key }))
      }
    }
    if (frame.type === 'snapshot') {
      if (this.#seen.size >= MAX_SEEN) this.#seen.clear()
      this.#seen.add(frame.topic)
    }
  }

  stop(): void {
    this.#refetches.clear()
    this.#timelines.stop()
  }
}
