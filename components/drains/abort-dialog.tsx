'use client'

import { useState } from 'react'
import type { Drain } from '@/server/contract/drains.ts'
import { Button } from '../ui/button.tsx'
import { plural } from '../ui/format.ts'
import { Modal } from '../ui/modal.tsx'
import { moveState } from './drain-left.ts'
import { subjectOf } from './drain-look.tsx'

const ENDS = [
  { end: 'serving', label: 'serving', says: 'every node is ready and takes traffic again' },
  { end: 'held', label: 'held', says: 'nodes stay as they are; those that are drained stay out of service' },
] as const

/** Says what an abort restores and what it cannot, then how it should end. */
export function AbortDialog({
  drain,
  pending,
  onClose,
  onAbort,
}: {
  drain: Drain
  pending: boolean
  onClose: () => void
  onAbort: (end: 'serving' | 'held') => void
}) {
  const [end, setEnd] = useState<'serving' | 'held'>('serving')
  const isDrained = drain.state === 'drained'
  const does = isDrained
    ? 'The drain is done; this records it as aborted.'
    : 'Nodes become ready and take traffic again, unless you leave them held.'
  const moved = drain.moves.filter((move) => moveState(drain, move) === 'moved').length
  return (
    <Modal
      open
      onOpenChange={(open) => !open && onClose()}
      title={`Abort the drain of ${subjectOf(drain)}`}
      description={
        moved === 0
          ? `${does} No tunnel has moved.`
          : `${does} It does not bring back the ${plural(moved, 'tunnel')} that moved: ${moved === 1 ? 'it comes' : 'they come'} back only when ${moved === 1 ? 'its host reconnects' : 'their hosts reconnect'}.`
      }
    >
      <fieldset className="grid gap-1">
        <legend className="mb-1 font-medium">Afterwards</legend>
        {ENDS.map((choice) => (
          <label key={choice.end} className="flex min-h-8 items-baseline gap-2">
            <input type="radio" name="end" checked={end === choice.end} onChange={() => setEnd(choice.end)} />
            <span>
              <strong>{choice.label}</strong>: {choice.says}
            </span>
          </label>
        ))}
      </fieldset>
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>{isDrained ? 'Keep it drained' : 'Keep draining'}</Button>
        <Button tone="danger" disabled={pending} onClick={() => onAbort(end)}>
          {pending ? 'Aborting…' : `Abort, end ${end}`}
        </Button>
      </div>
    </Modal>
  )
}
