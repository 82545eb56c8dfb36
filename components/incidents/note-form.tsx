'use client'

import { type Incident, noteSchema } from '@/server/contract/incidents.ts'
import { errorText } from '../data/error-text.ts'
import { useAddNote } from '../data/incidents.ts'
import { useMay } from '../data/me.ts'
import { Button } from '../ui/button.tsx'
import { controlClass } from '../ui/control-class.ts'
import { Field } from '../ui/field.tsx'
import { bySchema, useCheckedForm } from '../ui/use-checked-form.ts'

const check = bySchema(noteSchema, { text: 'Say what you saw, tried or decided.' })

/** For what people know and no sensor does. */
export function NoteForm({ incident }: { incident: Incident }) {
  const may = useMay('operator')
  const add = useAddNote(incident.id)
  const { register, handleSubmit, reset, problemOf } = useCheckedForm(check, { text: '' })
  const submit = handleSubmit(({ text }) => {
    if (!add.isPending) add.mutate(text, { onSuccess: () => reset() })
  })
  if (!may) return null
  return (
    <form className="grid max-w-3xl gap-2" noValidate onSubmit={submit}>
      <Field label="Note" problem={problemOf('text') ?? (add.error ? errorText(add.error) : undefined)}>
        {(ids) => (
          <textarea
            {...ids}
            rows={2}
            maxLength={10_000}
            className={controlClass}
            placeholder="What you saw, tried, decided"
            {...register('text')}
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
