import { createContext, useContext } from 'react'

/** Whether what is on screen is current, and how old it is. */
export interface Known {
  known: boolean
  /** Epoch ms by the server's clock; null while known, and before anything is. */
  since: number | null
}

/** Changes only when the answer changes, so that a thousand glyphs may use it. */
export const KnownContext = createContext<Known>({ known: true, since: null })

export const useKnown = (): Known => useContext(KnownContext)
