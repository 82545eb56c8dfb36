import { useContext, useSyncExternalStore } from 'react'
import type { LiveStatus } from './live-connection.ts'
import { LiveContext } from './live-context.ts'

const NONE: LiveStatus = { phase: 'connecting', behind: 0, heardAt: null }
const never = () => () => undefined

/** The state of this tab's socket. */
export const useLiveStatus = (): LiveStatus => {
  const live = useContext(LiveContext)
  return useSyncExternalStore(
    live?.connection.subscribe ?? never,
    () => live?.connection.status ?? NONE,
    () => NONE,
  )
}
