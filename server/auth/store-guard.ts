import { AppError } from '../contract/errors.ts'
import type { Store } from '../store/store.ts'

/** Does work that needs the store; what fails while the store is away is its fault, and says so: `ERR_STORE_UNAVAILABLE`. */
export const withStore = async <T>(store: Pick<Store, 'health'>, work: () => Promise<T>): Promise<T> => {
  try {
    return await work()
  } catch (error) {
    const { ok, reason } = store.health()
    if (error instanceof AppError || ok) throw error
    throw new AppError(
      'ERR_STORE_UNAVAILABLE',
      `The store is unavailable: ${reason}`,
      { reason },
      { cause: error },
    )
  }
}
