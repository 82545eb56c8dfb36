import { AppError } from '../../contract/errors.ts'
import { within } from '../../time/deadline.ts'

/** Waits for the store, at most `ms`; rejects with `ERR_STORE_UNAVAILABLE` then, as if it had said no itself. */
export const storeInTime = <T>(ms: number, work: Promise<T>): Promise<T> =>
  within(ms, work, {
    late: () => {
      throw new AppError('ERR_STORE_UNAVAILABLE', `The store has not answered for ${ms} ms`)
    },
  })
