'use client'

import { useSearchParams } from 'next/navigation'
import { useState } from 'react'
import { setupSchema } from '@/server/contract/access.ts'
import { errorText, problemsByPath } from '../data/error-text.ts'
import { ApiError, post } from '../data/http.ts'
import { signIn } from '../data/sign-in.ts'
import { Button } from '../ui/button.tsx'
import { TextField } from '../ui/text-field.tsx'
import { bySchema, useCheckedForm } from '../ui/use-checked-form.ts'
import { useHydrated } from '../ui/use-hydrated.ts'

const check = bySchema(setupSchema.omit({ key: true }))

/** Creates the first administrator with the key of the set-up link, and signs in. */
export function Setup() {
  const key = useSearchParams().get('key') ?? ''
  const [problem, setProblem] = useState<string | null>(
    key ? null : 'Open this page with the link that the server printed when it started.',
  )
  const { register, handleSubmit, formState, problemOf, showProblems } = useCheckedForm(check, {
    email: '',
    password: '',
  })
  // Before the page is alive a press would send the password the browser's own way.
  const ready = useHydrated()
  const submit = handleSubmit(async (values) => {
    setProblem(null)
    try {
      await post('/setup', { key, ...values })
      await signIn(values.email, values.password)
      location.assign('/')
    } catch (error) {
      if (showProblems(problemsByPath(error))) return
      setProblem(
        error instanceof ApiError && error.status === 404
          ? 'This link has been used, or is more than an hour old. Restart the server to get a new one.'
          : errorText(error),
      )
    }
  })
  return (
    <form method="post" onSubmit={submit} className="grid gap-4" noValidate>
      <TextField
        label="E-mail"
        type="email"
        autoComplete="username"
        field={register('email')}
        problem={problemOf('email')}
      />
      <TextField
        label="Password"
        hint="At least 8 characters."
        type="password"
        autoComplete="new-password"
        field={register('password')}
        problem={problemOf('password')}
      />
      {problem && (
        <p role="alert" className="text-down">
          {problem}
        </p>
      )}
      <Button type="submit" tone="primary" disabled={!ready || formState.isSubmitting || !key}>
        {formState.isSubmitting ? 'Setting up…' : 'Create administrator'}
      </Button>
    </form>
  )
}
