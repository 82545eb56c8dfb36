'use client'

import { X } from 'lucide-react'
import { Dialog } from 'radix-ui'
import { type ReactNode, useRef } from 'react'

/** A dialog: focus stays inside and returns to what opened it, Escape closes, the title names the object. */
export function Modal({
  open,
  onOpenChange,
  title,
  description,
  children,
  closable = true,
}: {
  open: boolean
  onOpenChange: (open: boolean) => void
  title: string
  description?: ReactNode
  children: ReactNode
  closable?: boolean
}) {
  const opener = useRef<Element | null>(null)
  return (
    <Dialog.Root open={open} onOpenChange={onOpenChange}>
      <Dialog.Portal>
        <Dialog.Overlay className="fixed inset-0 z-40 bg-black/45" />
        <Dialog.Content
          className="fixed top-[12vh] left-1/2 z-50 grid max-h-[80vh] w-[min(30rem,calc(100vw-2rem))] -translate-x-1/2 gap-4 overflow-y-auto rounded-[6px] border border-hairline bg-raised p-5 shadow-xl"
          onOpenAutoFocus={() => {
            opener.current = document.activeElement
          }}
          onCloseAutoFocus={(event) => {
            // The dialog is opened by state, not by a trigger that it knows: without this, focus would fall to the body.
            if (!(opener.current instanceof HTMLElement) || !opener.current.isConnected) return
            event.preventDefault()
            opener.current.focus()
          }}
          {...(description ? {} : { 'aria-describedby': undefined })}
        >
          <div className="grid gap-1 pr-8">
            <Dialog.Title className="font-semibold text-lg">{title}</Dialog.Title>
            {description && <Dialog.Description className="text-soft">{description}</Dialog.Description>}
          </div>
          {children}
          {closable && (
            <Dialog.Close
              aria-label="Close"
              className="absolute top-4 right-4 grid size-8 place-items-center rounded-[4px] text-faint hover:bg-sunken hover:text-ink"
            >
              <X size={16} aria-hidden />
            </Dialog.Close>
          )}
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  )
}
