'use client'

import { type ReactNode, useMemo } from 'react'
import { SignInAgain } from '../access/sign-in-again.tsx'
import { ExpectedContext } from '../data/expected.ts'
import { IncidentLine } from '../incidents/incident-line.tsx'
import { LiveProvider } from '../live/live-provider.tsx'
import { Announcer } from './announcer.tsx'
import { DemoBanner } from './demo-banner.tsx'
import { FocusKeeper } from './focus-keeper.tsx'
import { Header } from './header.tsx'
import { Keyboard } from './keyboard.tsx'
import { NotKnownLine } from './not-known-line.tsx'
import { PageTitle } from './page-title.tsx'
import { RoomProblemLines } from './room-problem-lines.tsx'

/** The frame around every signed-in page. */
export function Console({
  demo,
  openIncidents,
  children,
}: {
  demo: boolean
  /** As the page was requested. */
  openIncidents: number
  children: ReactNode
}) {
  const expected = useMemo(() => ({ openIncidents }), [openIncidents])
  return (
    <ExpectedContext value={expected}>
      <LiveProvider>
        <PageTitle />
        <a
          href="#content"
          className="sr-only z-50 bg-accent px-3 py-2 text-accent-ink focus:not-sr-only focus:fixed focus:top-2 focus:left-2"
        >
          Skip to content
        </a>
        {demo && <DemoBanner />}
        <Header />
        <NotKnownLine />
        <RoomProblemLines />
        <IncidentLine />
        <main
          id="content"
          tabIndex={-1}
          className="mx-auto grid w-full max-w-[1440px] min-w-0 grid-cols-[minmax(0,1fr)] gap-6 px-4 pt-5 outline-none pb-16 sm:px-6"
        >
          {children}
        </main>
        <Keyboard />
        <FocusKeeper />
        <Announcer />
        <SignInAgain />
      </LiveProvider>
    </ExpectedContext>
  )
}
