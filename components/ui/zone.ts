import { useSyncExternalStore } from 'react'
import type { Zone } from './format.ts'

const KEY = 'tidegate.zone'
let zone: Zone | null = null
const listeners = new Set<() => void>()
const read = (): Zone => {
  if (zone === null) {
    try {
      zone = localStorage.getItem(KEY) === 'utc' ? 'utc' : 'local'
    } catch {
      zone = 'local'
    }
  }
  return zone
}

/** One setting for every time on screen. */
export const setZone = (value: Zone): void => {
  zone = value
  try {
    localStorage.setItem(KEY, value)
  } catch {
    // Storage may be blocked: the choice then lasts for this page.
  }
  for (const listener of listeners) listener()
}

const subscribe = (listener: () => void) => {
  listeners.add(listener)
  return () => listeners.delete(listener)
}
export const useZone = (): Zone => useSyncExternalStore(subscribe, read, () => 'utc')
