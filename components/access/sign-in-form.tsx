'use client'

import { useState } from 'react'
import { z } from 'zod'
import { errorText } from '../data/error-text.ts'
import { ApiError } from '../data/http.ts'
import { signIn } from '../data/sign-in.ts'
import { Button } from '../ui/button.tsx'
import { TextField } from '../ui/text-field.tsx'
import { bySchema, useCheckedForm } from '../ui/use-checked-form.ts'
import { useHydrated } from '../ui/use-hydrated.ts'

const check = bySchema(
  z.object({
    email: z.string().min(1, 'Enter your e-mail address.'),
    password: z.string().min(1, 'Enter your password.'),
  }),
)

export function SignInForm({ onDone }: { onDone: () => void }) {
  const [problem, setProblem] = useState<string | null>(null)
  const { register, handleSubmit, formState, problemOf } = useCheckedForm(check, { email: '', password: '' })
  // Before the page is alive a press would send the password the browser's own way.
  const ready = useHydrated()
  const submit = handleSubmit(async ({ email, password }) => {
    setProblem(null)
    try {
      await signIn(email, password)
      onDone()
    } catch (error) {
      const refused = error instanceof ApiError && (error.status === 401 || error.status === 403)
      setProblem(refused ? 'E-mail or password is wrong.' : errorText(error))
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
        type="password"
        autoComplete="current-password"
        field={register('password')}
        problem={problemOf('password')}
      />
      {problem && (
        <p role="alert" className="text-down">
          {problem}
        </p>
      )}
      <Button type="submit" tone="primary" disabled={!ready || formState.isSubmitting}>
        {formState.isSubmitting ? 'Signing in…' : 'Sign in'}
      </Button>
    </form>
  )
}
