import type { WaitingFor } from '../api/waiting-room.ts'
import type { Auth } from '../auth/auth.ts'
import { AppError } from '../contract/errors.ts'
import type { StopWish } from '../lifecycle.ts'
import type { Log } from '../observe/log.ts'
import { faultOf, remedyOf } from '../store/faults.ts'
import type { Store } from '../store/store.ts'
import { within } from '../time/deadline.ts'

/** How long to wait before a store that could not be opened is tried again. */
const RETRY_MS = 1_000

/**
 * The store and what begins with it, which may have to wait for a disk or for somebody: a full disk or a damaged file is no reason to
 * take the embedded nodes down. It is tried again each second, and logged once for each reason.
 */
export class StoreOpening {
  readonly #open: () => Promise<Auth>
  readonly #store: Pick<Store, 'health'>
  readonly #log: Log
  #auth: Auth | null = null
  #said: string | null = null

  constructor(open: () => Promise<Auth>, store: Pick<Store, 'health'>, log: Log) {
    this.#open = open
    this.#store = store
    this.#log = log
  }

  /** Tries once. Throws what waiting cannot mend, for example `ERR_DATABASE_NEWER`. */
  async attempt(): Promise<WaitingFor | null> {
    try {
      this.#auth ??= await this.#open()
      if (this.#said !== null) this.#log.info('the store could be opened; the room opens')
      return null
    } catch (error) {
      if (!isStoreFault(error)) throw error
      const path = this.#store.health().path ?? ''
      const reason = String(error.facts.reason ?? error.message)
      const waiting = {
        text: `The store cannot be opened: ${reason}${reason.includes(path) ? '' : ` (${path})`}.`,
        remedy: remedyOf(reason),
      }
      if (this.#said !== waiting.text) {
        this.#log.error(
          { path, reason, remedy: waiting.remedy },
          'the store cannot be opened: embedded nodes serve, the room waits',
        )
        process.stderr.write(`  ${waiting.text} ${waiting.remedy}\n`)
      }
      this.#said = waiting.text
      return waiting
    }
  }

  /** Waits until it is open; null where the process was asked to stop first. */
  async opened(wish: StopWish, say: (waiting: WaitingFor) => void): Promise<Auth | null> {
    while (this.#auth === null && !wish.isAsked) {
      const waiting = await this.attempt()
      if (waiting === null) break
      say(waiting)
      await within(RETRY_MS, wish.asked, { late: () => null })
    }
    return this.#auth
  }
}

/** A fault of the store or of its disk, which may be over by the next attempt. */
const isStoreFault = (error: unknown): error is AppError =>
  error instanceof AppError &&
  (error.code === 'ERR_STORE_UNAVAILABLE' ||
    (error.code === 'ERR_DATA_FOLDER' && faultOf(error.cause) !== null))
