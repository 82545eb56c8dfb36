'use client'

import { useState } from 'react'
import type { Drain } from '@/server/contract/drains.ts'
import { useDrainAction } from '../queries/drains.ts'
import { errorText } from '../queries/error-text.ts'
import { useMay, useMe } from '../queries/me.ts'
import { Button } from '../ui/button.tsx'
import { AbortDialog } from './abort-dialog.tsx'
import { subjectOf } from './drain-look.tsx'

const ABORTABLE = new Set(['planned', 'running', 'paused', 'drained', 'resuming'])

/** The levers, with the version that is on screen. Abort stays in sight as long as it can be pulled. */
export function DrainActions({ drain }: { drain: Drain }) {
  const me = useMe()
  const may = useMay('operator')
  const action = useDrainAction(drain.id)
  const [aborting, setAborting] = useState(false)
  const { state, version } = drain
  const abortable = ABORTABLE.has(state) && !(state === 'drained' && drain.strategy.mode === 'exit')
  if (!abortable && state !== 'aborting') return null
  if (me.data && !may)
    return <p className="text-faint">You watch; pausing, aborting and resuming need the role operator.</p>
  return (
    <div className="sticky top-12 z-20 -mx-1 grid gap-2 border-hairline border-y bg-canvas px-1 py-2">
      <div className="flex flex-wrap items-center gap-2">
        {state === 'running' && (
          <Button disabled={action.isPending} onClick={() => action.mutate({ action: 'pause', version })}>
            Pause
          </Button>
        )}
        {state === 'paused' && (
          <Button
            tone="primary"
            disabled={action.isPending}
            onClick={() => action.mutate({ action: 'continue', version })}
          >
            Continue
          </Button>
        )}
        {state === 'drained' && (
          <Button
            tone="primary"
            disabled={action.isPending}
            onClick={() => action.mutate({ action: 'resume', version })}
          >
            Resume {subjectOf(drain)}
          </Button>
        )}
        {abortable && state !== 'drained' && (
          <>
            <Button tone="danger" disabled={action.isPending} onClick={() => setAborting(true)}>
              Abort…
            </Button>
            <span className="min-w-0 text-faint">
              Abort restores readiness and accepting; tunnels that have moved stay where they are.
            </span>
          </>
        )}
        {state === 'aborting' && <span className="text-soft">Aborting; this cannot be stopped.</span>}
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
