import { useSyncExternalStore } from 'react'

/** Whether this tab's session has ended while the page was open. The page stays; a dialog asks the user to sign in again. */
let ended = false
const listeners = new Set<() => void>()
const set = (value: boolean) => {
  if (ended === value) return
  ended = value
  for (const listener of listeners) listener()
}

export const endSession = (): void => set(true)
export const hasSessionEnded = (): boolean => ended
export const renewSession = (): void => set(false)

const subscribe = (listener: () => void) => {
  listeners.add(listener)
  return () => listeners.delete(listener)
}
export const useSessionEnded = (): boolean =>
  useSyncExternalStore(
    subscribe,
    () => ended,
    () => false,
  )
