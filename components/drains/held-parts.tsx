'use client'

import Link from 'next/link'
import { toast } from 'sonner'
import type { HeldPart } from '@/server/contract/drains.ts'
import { useNow } from '../data/clock.ts'
import { useDrainAction } from '../data/drains.ts'
import { errorText } from '../data/error-text.ts'
import { useMay } from '../data/me.ts'
import { Button } from '../ui/button.tsx'
import { StateGlyph } from '../ui/state-glyph.tsx'
import { Time } from '../ui/time.tsx'
import { heldName, isForgotten } from './held-words.ts'

/** What is still out of service after its drain has finished its work, each with its way back. */
export function HeldParts({ parts }: { parts: readonly HeldPart[] }) {
  if (parts.length === 0) return null
  return (
    <ul className="grid gap-2" aria-label="Held out of service">
      {parts.map((part) => (
        <Held key={`${part.drainId} ${heldName(part)}`} part={part} />
      ))}
    </ul>
  )
}

function Held({ part }: { part: HeldPart }) {
  const now = useNow()
  const may = useMay('operator')
  const action = useDrainAction(part.drainId)
  const name = heldName(part)
  const forgotten = isForgotten(part, now)
  return (
    <li
      data-held={name}
      className={`flex flex-wrap items-center gap-x-4 gap-y-1 rounded-[4px] px-3 py-2 ${forgotten ? 'bg-degraded-wash' : 'bg-draining-wash'}`}
    >
      <span className={forgotten ? 'text-degraded' : 'text-drained'}>
        <StateGlyph shape="drained" />
      </span>
      <Link
        href={`/drains/${part.drainId}`}
        className="min-w-0 font-semibold underline-offset-2 hover:underline max-sm:basis-full"
      >
        <span className="num">{name}</span> is held out of service: {part.reason}
      </Link>
      <span className="min-w-0 flex-1 text-soft">
        {part.nodes.join(', ')}, drain {part.state}, since <Time at={part.since} /> (
        <Time at={part.since} as="for" />)
        {forgotten && (
          <strong className="ml-2 font-medium text-degraded">
            Forgotten? Resume it, or say on its page why not.
          </strong>
        )}
      </span>
      {may && (
        <Button
          tone="primary"
          aria-disabled={action.isPending || undefined}
          onClick={() => {
            if (action.isPending) return
            action.mutate(
              { action: 'resume', version: part.version },
              {
                onSuccess: () => toast(`${name} is going back into service.`),
                onError: (error) => toast.error(errorText(error)),
              },
            )
          }}
        >
          {action.isPending ? 'Resuming…' : `Resume ${name}`}
        </Button>
      )}
    </li>
  )
}
