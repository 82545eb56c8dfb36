'use client'

import { useState } from 'react'
import { useForm } from 'react-hook-form'
import { errorText } from '../data/error-text.ts'
import { ApiError } from '../data/http.ts'
import { signIn } from '../data/sign-in.ts'
import { Button } from '../ui/button.tsx'
import { controlClass } from '../ui/control-class.ts'
import { Field } from '../ui/field.tsx'
import { useHydrated } from '../ui/use-hydrated.ts'

interface Values {
  email: string
  password: string
}

export function SignInForm({ onDone }: { onDone: () => void }) {
  const [problem, setProblem] = useState<string | null>(null)
  const { register, handleSubmit, formState } = useForm<Values>()
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
      <Field label="E-mail" problem={formState.errors.email?.message}>
        {(ids) => (
          <input
            {...ids}
            type="email"
            autoComplete="username"
            className={controlClass}
            {...register('email', { required: 'Enter your e-mail address.' })}
          />
        )}
      </Field>
      <Field label="Password" problem={formState.errors.password?.message}>
        {(ids) => (
          <input
            {...ids}
            type="password"
            autoComplete="current-password"
            className={controlClass}
            {...register('password', { required: 'Enter your password.' })}
          />
        )}
      </Field>
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
