'use client'

import { useState } from 'react'
import { Button } from './button.tsx'
import { Modal } from './modal.tsx'

/** Asks once more, naming the object. */
export function ConfirmButton({
  label,
  ask,
  onConfirm,
}: {
  label: string
  ask: string
  onConfirm: () => void
}) {
  const [open, setOpen] = useState(false)
  return (
    <>
      <Button tone="quiet" aria-label={ask} onClick={() => setOpen(true)}>
        {label}
      </Button>
      <Modal open={open} onOpenChange={setOpen} title={`${ask}?`} description="This cannot be undone.">
        <div className="flex justify-end gap-2">
          <Button onClick={() => setOpen(false)}>Keep</Button>
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
