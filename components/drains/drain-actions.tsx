'use client'

import { useState } from 'react'
import { toast } from 'sonner'
import { isFinishedExit, nodesOut, offeredVerbs } from '@/server/contract/drain-rules.ts'
import type { Drain, DrainAction } from '@/server/contract/drains.ts'
import { useDrainAction } from '../data/drains.ts'
import { errorText } from '../data/error-text.ts'
import { useMay, useMe } from '../data/me.ts'
import { Button } from '../ui/button.tsx'
import { AbortDialog } from './abort-dialog.tsx'
import { mayHoldTunnels } from './drain-left.ts'
import { subjectOf } from './drain-look.tsx'

const listed = (nodes: readonly string[]): string =>
  `${nodes.join(', ')} ${nodes.length === 1 ? 'is' : 'are'}`

/** The levers that the rules allow now, with the version that is on screen. Abort stays in sight as long as it can be pulled. */
export function DrainActions({ drain }: { drain: Drain }) {
  const me = useMe()
  const may = useMay('operator')
  const action = useDrainAction(drain.id)
  const [aborting, setAborting] = useState(false)
  const { state, version } = drain
  const verbs = offeredVerbs(drain)
  if (verbs.length === 0 && state !== 'aborting') return null
  const act = (verb: DrainAction, said: string) => {
    if (!action.isPending) action.mutate({ action: verb, version }, { onSuccess: () => toast(said) })
  }
  const pending = action.isPending || undefined
  if (me.data && !may)
    return (
      <p className="text-faint">You are watching. Pausing, aborting and resuming need the operator role.</p>
    )
  return (
    <div className="sticky top-12 z-20 -mx-1 grid gap-2 border-hairline border-y bg-canvas px-1 py-2">
      <div className="flex flex-wrap items-center gap-2">
        {verbs.includes('pause') && (
          <Button aria-disabled={pending} onClick={() => act('pause', 'Paused.')}>
            Pause
          </Button>
        )}
        {verbs.includes('continue') && (
          <Button tone="primary" aria-disabled={pending} onClick={() => act('continue', 'Continuing.')}>
            Continue
          </Button>
        )}
        {verbs.includes('resume') && (
          <>
            <Button
              tone="primary"
              aria-disabled={pending}
              onClick={() => act('resume', `${subjectOf(drain)} is going back into service.`)}
            >
              Resume {subjectOf(drain)}
            </Button>
            {state !== 'drained' && (
              <span className="min-w-0 text-faint">
                The drain has ended; {listed(nodesOut(drain))} out of service until somebody resumes.
              </span>
            )}
          </>
        )}
        {verbs.includes('abort') && (
          <>
            <Button
              tone={state === 'drained' ? 'plain' : 'danger'}
              aria-disabled={pending}
              onClick={() => setAborting(true)}
            >
              Abort…
            </Button>
            <span className="min-w-0 text-faint">
              {state === 'drained'
                ? `Resume puts ${subjectOf(drain)} back into service and closes the drain. Abort is for a drain that should not have been started: it is recorded as aborted, and you choose whether ${subjectOf(drain)} serves again.`
                : `Abort makes the nodes ready again, so that they take traffic${mayHoldTunnels(drain) ? '; tunnels that have moved stay where they are' : ''}.`}
            </span>
          </>
        )}
        {state === 'aborting' && !isFinishedExit(drain) && (
          <span className="text-soft">Aborting; this cannot be stopped.</span>
        )}
      </div>
      {action.error && (
        <p role="alert" className="text-down">
          {errorText(action.error)}
        </p>
      )}
      {aborting && (
        <AbortDialog
          drain={drain}
          pending={action.isPending}
          onClose={() => setAborting(false)}
          onAbort={(end) =>
            action.mutate({ action: 'abort', version, end }, { onSettled: () => setAborting(false) })
          }
        />
      )}
    </div>
  )
}
