'use client'

import { useState } from 'react'
import { toast } from 'sonner'
import { z } from 'zod'
import type { Incident } from '@/server/contract/incidents.ts'
import { line } from '@/server/contract/text.ts'
import { errorText, problemsByPath } from '../data/error-text.ts'
import { useIncidentPatch } from '../data/incidents.ts'
import { Button } from '../ui/button.tsx'
import { Modal } from '../ui/modal.tsx'
import { TextField } from '../ui/text-field.tsx'
import { bySchema, useCheckedForm } from '../ui/use-checked-form.ts'

const check = bySchema(z.object({ title: line(200, 'Say in a few words what happened.') }))

/** Opens the form for another title: what people know by now says more than the first signal did. */
export function TitleButton({ incident }: { incident: Incident }) {
  const [open, setOpen] = useState(false)
  return (
    <>
      <Button tone="quiet" onClick={() => setOpen(true)}>
        Change title
      </Button>
      {open && <TitleDialog incident={incident} onClose={() => setOpen(false)} />}
    </>
  )
}

function TitleDialog({ incident, onClose }: { incident: Incident; onClose: () => void }) {
  const change = useIncidentPatch(incident.id)
  const { register, handleSubmit, problemOf, showProblems } = useCheckedForm(check, { title: incident.title })
  const submit = handleSubmit(({ title }) => {
    if (change.isPending) return
    change.mutate(
      { title },
      {
        onSuccess: () => {
          toast('The title was changed.')
          onClose()
        },
        onError: (error) => showProblems(problemsByPath(error)),
      },
    )
  })
  const isShown = Object.hasOwn(problemsByPath(change.error), 'title')
  return (
    <Modal
      open
      onOpenChange={(open) => !open && onClose()}
      title="Change the title"
      description="Everybody sees it, and it stays: signals that join later do not change it. The timeline says who wrote it."
    >
      <form className="grid gap-4" noValidate onSubmit={submit}>
        <TextField
          label="Title"
          maxLength={200}
          field={register('title')}
          problem={problemOf('title') ?? (change.error && !isShown ? errorText(change.error) : undefined)}
        />
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Keep it</Button>
          <Button type="submit" tone="primary" aria-disabled={change.isPending || undefined}>
            {change.isPending ? 'Changing…' : 'Change'}
          </Button>
        </div>
      </form>
    </Modal>
  )
}
