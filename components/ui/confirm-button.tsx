'use client'

import { useState } from 'react'
import { Button } from './button.tsx'
import { Modal } from './modal.tsx'

/** Asks once more, naming the object. */
export function ConfirmButton({
  label,
  ask,
  says = 'This cannot be undone.',
  keep = 'Keep',
  tone = 'quiet',
  disabled = false,
  onConfirm,
}: {
  label: string
  /** What is asked, without its question mark: the name of the button for screen readers too. */
  ask: string
  /** What happens then. */
  says?: string
  /** The button that leaves things as they are. */
  keep?: string
  tone?: 'quiet' | 'plain' | 'primary'
  disabled?: boolean
  onConfirm: () => void
}) {
  const [open, setOpen] = useState(false)
  return (
    <>
      <Button
        tone={tone}
        aria-label={ask}
        aria-disabled={disabled || undefined}
        onClick={() => !disabled && setOpen(true)}
      >
        {label}
      </Button>
      <Modal open={open} onOpenChange={setOpen} title={`${ask}?`} description={says}>
        <div className="flex justify-end gap-2">
          <Button onClick={() => setOpen(false)}>{keep}</Button>
          <Button
            tone="danger"
            onClick={() => {
              setOpen(false)
              onConfirm()
            }}
          >
            {label}
          </Button>
        </div>
      </Modal>
    </>
  )
}
