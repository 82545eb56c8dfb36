import { isActiveDrain } from '../../../contract/drain-rules.ts'
import type { Drain } from '../../../contract/drains.ts'
import { AppError } from '../../../contract/errors.ts'
import type { Page } from '../../../contract/ids.ts'
import type { DrainBook } from '../drain-book.ts'
import type { DrainRun } from '../drain-run.ts'

const DEFAULT_LIMIT = 100

export interface DrainFilter {
  active?: boolean
  region?: string
  limit?: number
  cursor?: string
}

/** A page of drains, newest first; what is in memory is newer than what is stored. */
export const listDrains = async (book: DrainBook, filter: DrainFilter): Promise<Page<Drain>> => {
  const isWanted = (drain: Drain): boolean =>
    (filter.active === undefined || isActiveDrain(drain) === filter.active) &&
    (filter.region === undefined || drain.region === filter.region)
  const inMemory = (which: (run: DrainRun) => boolean): Drain[] =>
    book.runs
      .filter((run) => which(run) && isWanted(run.drain))
      .map((run) => run.drain)
      .sort((a, b) => (a.id < b.id ? 1 : -1))
  const page = await book
    .ask((store) => store.drains(filter))
    .catch((error: unknown) => {
      if (!(error instanceof AppError && error.code === 'ERR_STORE_UNAVAILABLE')) throw error
      return null
    })
  // Better what is in memory than nothing: these are the ones that somebody may have to abort.
  if (page === null)
    return { items: inMemory(() => true).slice(0, filter.limit ?? DEFAULT_LIMIT), nextCursor: null }
  const listed = new Set(page.items.map((stored) => stored.drain.id))
  const items = page.items.map(({ drain }) => book.get(drain.id)?.drain ?? drain).filter(isWanted)
  // A store that can be read and not written does not know what was begun meanwhile.
  const isUnlisted = (run: DrainRun): boolean => run.record.unwritten && !listed.has(run.drain.id)
  const unwritten = filter.cursor === undefined ? inMemory(isUnlisted) : []
  return { items: [...unwritten, ...items], nextCursor: page.nextCursor }
}
