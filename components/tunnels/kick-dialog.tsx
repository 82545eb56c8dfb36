'use client'

import { useState } from 'react'
import { toast } from 'sonner'
import type { Tunnel } from '@/server/contract/fleet.ts'
import { errorText } from '../data/error-text.ts'
import { useKick } from '../data/tunnels.ts'
import { Button } from '../ui/button.tsx'
import { controlClass } from '../ui/control-class.ts'
import { Field } from '../ui/field.tsx'
import { Modal } from '../ui/modal.tsx'

/** Names the host and what a kick does, and wants a reason. */
export function KickDialog({ tunnel, onClose }: { tunnel: Tunnel; onClose: () => void }) {
  const kick = useKick()
  const [reason, setReason] = useState('')
  const [pressed, setPressed] = useState(false)
  const missing = pressed && !reason.trim() ? 'Say why; others see it.' : undefined
  return (
    <Modal
      open
      onOpenChange={(open) => !open && onClose()}
      title={`Kick ${tunnel.hostId}`}
      description={`Closes its tunnel on ${tunnel.node} with 4404. Requests in flight through it fail; the host backs off and registers again, perhaps on another node.`}
    >
      <form
        className="grid gap-4"
        onSubmit={(event) => {
          event.preventDefault()
          setPressed(true)
          if (!reason.trim()) {
            event.currentTarget.querySelector('input')?.focus()
            return
          }
          if (kick.isPending) return
          kick.mutate(
            { hostId: tunnel.hostId, reason: reason.trim() },
            {
              onSuccess: () => {
                toast(`${tunnel.hostId} was kicked.`)
                onClose()
              },
            },
          )
        }}
      >
        <Field label="Reason" problem={missing ?? (kick.error ? errorText(kick.error) : undefined)}>
          {(ids) => (
            <input
              {...ids}
              className={controlClass}
              maxLength={500}
              value={reason}
              onChange={(event) => setReason(event.target.value)}
            />
          )}
        </Field>
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Keep it</Button>
          <Button type="submit" tone="danger" aria-disabled={kick.isPending || undefined}>
            {kick.isPending ? 'Kicking…' : `Kick ${tunnel.hostId}`}
          </Button>
        </div>
      </form>
    </Modal>
  )
}
