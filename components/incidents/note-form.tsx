'use client'

import { useState } from 'react'
import type { Incident } from '@/server/contract/incidents.ts'
import { errorText } from '../queries/error-text.ts'
import { useAddNote } from '../queries/incidents.ts'
import { useMay } from '../queries/me.ts'
import { Button } from '../ui/button.tsx'
import { controlClass } from '../ui/control-class.ts'
import { Field } from '../ui/field.tsx'

/** What somebody knows that no sensor does. */
export function NoteForm({ incident }: { incident: Incident }) {
  const may = useMay('operator')
  const add = useAddNote(incident.id)
  const [text, setText] = useState('')
  if (!may) return null
  return (
    <form
      className="grid max-w-3xl gap-2"
      onSubmit={(event) => {
        event.preventDefault()
        add.mutate(text.trim(), { onSuccess: () => setText('') })
      }}
    >
      <Field label="Note" problem={add.error ? errorText(add.error) : undefined}>
        {(ids) => (
          <textarea
            {...ids}
            rows={2}
            maxLength={10_000}
            className={controlClass}
            placeholder="What you saw, tried, decided"
            value={text}
            onChange={(event) => setText(event.target.value)}
          />
        )}
      </Field>
      <div>
        <Button type="submit" disabled={!text.trim() || add.isPending}>
          {add.isPending ? 'Adding…' : 'Add note'}
        </Button>
      </div>
    </form>
  )
}
