'use client'

import { useState } from 'react'
import type { Drain } from '@/server/contract/drains.ts'
import { Button } from '../ui/button.tsx'
import { plural } from '../ui/format.ts'
import { Modal } from '../ui/modal.tsx'
import { moveState } from './drain-left.ts'
import { subjectOf } from './drain-look.tsx'

const ENDS = [
  { end: 'serving', label: 'serving', says: 'every node is ready and accepts again' },
  { end: 'held', label: 'held', says: 'nodes stay as they are; those drained stay out of service' },
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
  const moved = drain.moves.filter((move) => moveState(drain, move) === 'moved').length
  return (
    <Modal
      open
      onOpenChange={(open) => !open && onClose()}
      title={`Abort the drain of ${subjectOf(drain)}`}
      description={
        moved === 0
          ? 'Restores readiness and accepting. No tunnel has moved.'
          : `Restores readiness and accepting. It does not bring back ${plural(moved, 'tunnel')} that already moved; ${moved === 1 ? 'it returns only as its host reconnects' : 'they return only as their hosts reconnect'}.`
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
        <Button onClick={onClose}>{drain.state === 'drained' ? 'Keep it drained' : 'Keep draining'}</Button>
        <Button tone="danger" disabled={pending} onClick={() => onAbort(end)}>
          {pending ? 'Aborting…' : `Abort, end ${end}`}
        </Button>
      </div>
    </Modal>
  )
}
