'use client'

import { toast } from 'sonner'
import { z } from 'zod'
import type { Tunnel } from '@/server/contract/fleet.ts'
import { line } from '@/server/contract/text.ts'
import { errorText } from '../data/error-text.ts'
import { useKick } from '../data/tunnels.ts'
import { Button } from '../ui/button.tsx'
import { Modal } from '../ui/modal.tsx'
import { TextField } from '../ui/text-field.tsx'
import { bySchema, useCheckedForm } from '../ui/use-checked-form.ts'

const check = bySchema(z.object({ reason: line(500, 'Say why; others see it.') }))

/** Names the host and what a kick does, and wants a reason. */
export function KickDialog({ tunnel, onClose }: { tunnel: Tunnel; onClose: () => void }) {
  const kick = useKick()
  const { register, handleSubmit, problemOf } = useCheckedForm(check, { reason: '' })
  const submit = handleSubmit(({ reason }) => {
    if (kick.isPending) return
    kick.mutate(
      { hostId: tunnel.hostId, reason },
      {
        onSuccess: () => {
          toast(`${tunnel.hostId} was kicked.`)
          onClose()
        },
      },
    )
  })
  return (
    <Modal
      open
      onOpenChange={(open) => !open && onClose()}
      title={`Kick ${tunnel.hostId}`}
      description={`Closes its tunnel on ${tunnel.node} with 4404. Requests in flight through it fail; the host backs off and registers again, perhaps on another node.`}
    >
      <form className="grid gap-4" noValidate onSubmit={submit}>
        <TextField
          label="Reason"
          field={register('reason')}
          maxLength={500}
          problem={problemOf('reason') ?? (kick.error ? errorText(kick.error) : undefined)}
        />
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
