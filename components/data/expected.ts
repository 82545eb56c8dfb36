import { createContext, useContext } from 'react'

/** What the server knew when it rendered the page, so that whatever is above everything else has its place before the first answer. */
export interface Expected {
  openIncidents: number
}

export const ExpectedContext = createContext<Expected>({ openIncidents: 0 })

export const useExpected = (): Expected => useContext(ExpectedContext)
