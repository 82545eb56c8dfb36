import { useSyncExternalStore } from 'react'

const never = () => () => undefined

/** False in the server's HTML and until the page's scripts are at work. */
export const useHydrated = (): boolean =>
  useSyncExternalStore(
    never,
    () => true,
    () => false,
  )
