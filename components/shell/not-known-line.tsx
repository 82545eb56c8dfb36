'use client'

import { useKnown } from '../data/known.ts'
import { useSessionEnded } from '../data/session.ts'
import { StateGlyph } from '../ui/state-glyph.tsx'
import { Time } from '../ui/time.tsx'

/** Shown once for the whole page while the present is not known: whose fault it is, how old everything below is, and what to do. */
export function NotKnownLine() {
  const { known, since } = useKnown()
  const ended = useSessionEnded()
  if (known) return null
  return (
    <div role="alert" className="border-hairline-strong border-b bg-sunken" data-not-known>
      <p className="mx-auto flex max-w-[1440px] items-baseline gap-2 px-4 py-1.5 text-ink sm:px-6">
        <StateGlyph shape="unknown" />
        <span className="min-w-0">
          <strong className="font-semibold">
            {ended ? 'You are signed out.' : 'The server does not answer this page.'}
          </strong>{' '}
          {since !== null && (
            <>
              Everything below is as of <Time at={since} /> (<Time at={since} as="ago" />
              ).{' '}
            </>
          )}
          {!ended && (
            <span className="max-sm:hidden">
              Is the server running, and is this machine online? The page keeps trying.
            </span>
          )}
        </span>
      </p>
    </div>
  )
}
