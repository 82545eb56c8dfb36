import { createContext } from 'react'
import type { LiveConnection } from './live-connection.ts'

export interface LiveContextValue {
  connection: LiveConnection
  /** Called with the nodes of each sample frame; the charts fetch what is new. */
  onAdvance: (listener: (nodes: string[]) => void) => () => void
}

/** Null outside the signed-in pages. */
export const LiveContext = createContext<LiveContextValue | null>(null)
