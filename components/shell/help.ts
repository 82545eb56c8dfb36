import { useSyncExternalStore } from 'react'

let open = false
const listeners = new Set<() => void>()
const set = (value: boolean) => {
  open = value
  for (const listener of listeners) listener()
}
export const openHelp = (): void => set(true)
export const closeHelp = (): void => set(false)
const subscribe = (listener: () => void) => {
  listeners.add(listener)
  return () => listeners.delete(listener)
}
export const useHelpOpen = (): boolean =>
  useSyncExternalStore(
    subscribe,
    () => open,
    () => false,
  )
