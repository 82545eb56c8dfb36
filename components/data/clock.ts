import { useSyncExternalStore } from 'react'

/** Milliseconds that the server's clock is ahead of this browser's. Small differences are only the header's resolution. */
let offsetMs = 0
const TOLERANCE_MS = 2000

/** Learns from a `Date` header (whole seconds, RFC 9110 §6.6.1), so that ages are right on a machine whose clock is not. */
export const noteServerTime = (dateHeader: string | null): void => {
  if (!dateHeader) return
  const difference = Date.parse(dateHeader) + 500 - Date.now()
  if (Number.isFinite(difference)) offsetMs = Math.abs(difference) > TOLERANCE_MS ? difference : 0
}

/** The server's time in epoch ms, as far as this tab knows it. */
export const serverNow = (): number => Date.now() + offsetMs

let second = 0
let timer: ReturnType<typeof setInterval> | null = null
const listeners = new Set<() => void>()
const tick = () => {
  second = Math.floor(serverNow() / 1000) * 1000
  for (const listener of listeners) listener()
}
const subscribe = (listener: () => void) => {
  listeners.add(listener)
  if (!timer) {
    tick()
    timer = setInterval(tick, 1000)
  }
  return () => {
    listeners.delete(listener)
    if (listeners.size === 0 && timer) {
      clearInterval(timer)
      timer = null
    }
  }
}
const current = () => {
  if (second === 0) second = Math.floor(serverNow() / 1000) * 1000
  return second
}

/** The server's time, once a second, from one timer a tab; 0 while the page is rendered on the server. */
export const useNow = (): number => useSyncExternalStore(subscribe, current, () => 0)
