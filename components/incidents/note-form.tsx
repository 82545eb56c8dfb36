'use client'

import { useState } from 'react'
import type { Incident } from '@/server/contract/incidents.ts'
import { errorText } from '../data/error-text.ts'
import { useAddNote } from '../data/incidents.ts'
import { useMay } from '../data/me.ts'
import { Button } from '../ui/button.tsx'
import { controlClass } from '../ui/control-class.ts'
import { Field } from '../ui/field.tsx'

/** What somebody knows that no sensor does. */
export function NoteForm({ incident }: { incident: Incident }) {
  const may = useMay('operator')
  const add = useAddNote(incident.id)
  const [text, setText] = useState('')
  const [pressed, setPressed] = useState(false)
  const missing = pressed && !text.trim() ? 'Say what you saw, tried or decided.' : undefined
  if (!may) return null
  return (
    <form
      className="grid max-w-3xl gap-2"
      onSubmit={(event) => {
        event.preventDefault()
        setPressed(!text.trim())
        if (!text.trim()) {
          event.currentTarget.querySelector('textarea')?.focus()
          return
        }
        if (!add.isPending) add.mutate(text.trim(), { onSuccess: () => setText('') })
      }}
    >
      <Field label="Note" problem={missing ?? (add.error ? errorText(add.error) : undefined)}>
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
        <Button type="submit" aria-disabled={add.isPending || undefined}>
          {add.isPending ? 'Adding…' : 'Add note'}
        </Button>
      </div>
    </form>
  )
}
