import { realTimers, type Timers } from './timers.ts'

/** The work had not ended when its time was over. It may still be running: give it a signal where it can be stopped. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError'
  /** The limit that passed, in milliseconds. */
  readonly limitMs: number

  constructor(limitMs: number) {
    super(`Not done within ${limitMs} ms`)
    this.limitMs = limitMs
  }
}

export interface DeadlineOptions<L> {
  /** Ends the wait before its limit: it rejects with the signal's reason, and the work's own signal aborts with it. */
  signal?: AbortSignal
  /** Answers in the place of work that is late, or throws a better error; without it the wait rejects with the `DeadlineError`. */
  late?: (error: DeadlineError) => L
  /** The timers; for tests. */
  timers?: Timers
}

/** Node fires a longer timer at once; no limit of the product is that long (24.8 days). */
const MAX_TIMER_MS = 2 ** 31 - 1

/**
 * Waits for `work`, at most `limitMs` milliseconds. Work given as a function gets a signal that aborts when the wait is over before
 * the work is. No timer is left behind, and what late work does afterwards (also its rejection) reaches nobody.
 */
export const within = async <T, L = never>(
  limitMs: number,
  work: Promise<T> | ((signal: AbortSignal) => Promise<T>),
  { signal, late, timers = realTimers }: DeadlineOptions<L> = {},
): Promise<T | L> => {
  if (typeof work === 'function') signal?.throwIfAborted()
  const stop = new AbortController()
  let timer: unknown
  let onAbort: (() => void) | undefined
  const over = new Promise<never>((_resolve, reject) => {
    timer = timers.set(() => reject(new DeadlineError(limitMs)), Math.min(limitMs, MAX_TIMER_MS))
    onAbort = () => reject(signal?.reason)
    if (signal?.aborted) onAbort()
    else signal?.addEventListener('abort', onAbort, { once: true })
  })
  over.catch((reason: unknown) => stop.abort(reason))
  try {
    // `async` turns a function that throws at once into a rejection, so that the timer is cleared in every case.
    const done = typeof work === 'function' ? (async () => work(stop.signal))() : work
    return await Promise.race([done, over])
  } catch (error) {
    if (late !== undefined && error instanceof DeadlineError && error === stop.signal.reason)
      return late(error)
    throw error
  } finally {
    timers.clear(timer)
    if (onAbort) signal?.removeEventListener('abort', onAbort)
  }
}
