import { createContext } from 'react'
import type { LiveConnection } from './live-connection.ts'

export interface LiveContextValue {
  connection: LiveConnection
}

/** Null outside the signed-in pages. */
export const LiveContext = createContext<LiveContextValue | null>(null)
