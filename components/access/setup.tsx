'use client'

import { useSearchParams } from 'next/navigation'
import { useState } from 'react'
import { useForm } from 'react-hook-form'
import { setupSchema } from '@/server/contract/access.ts'
import { errorText, problemsByPath } from '../data/error-text.ts'
import { ApiError, post } from '../data/http.ts'
import { signIn } from '../data/sign-in.ts'
import { Button } from '../ui/button.tsx'
import { controlClass } from '../ui/control-class.ts'
import { Field } from '../ui/field.tsx'
import { useHydrated } from '../ui/use-hydrated.ts'

interface Values {
  email: string
  password: string
}

/** Creates the first administrator with the key of the set-up link, and signs in. */
export function Setup() {
  const key = useSearchParams().get('key') ?? ''
  const [problem, setProblem] = useState<string | null>(
    key ? null : 'Open this page with the link that the server printed when it started.',
  )
  const { register, handleSubmit, setError, formState } = useForm<Values>()
  // Before the page is alive a press would send the password the browser's own way.
  const ready = useHydrated()
  const submit = handleSubmit(async (values) => {
    setProblem(null)
    const checked = setupSchema.safeParse({ key, ...values })
    if (!checked.success) {
      for (const issue of checked.error.issues) {
        const field = issue.path[0]
        if (field === 'email' || field === 'password') setError(field, { message: issue.message })
        else setProblem('Open this page with the link that the server printed when it started.')
      }
      return
    }
    try {
      await post('/setup', checked.data)
      await signIn(values.email, values.password)
      location.assign('/')
    } catch (error) {
      const problems = problemsByPath(error)
      if (problems.email) setError('email', { message: problems.email })
      if (problems.password) setError('password', { message: problems.password })
      setProblem(
        error instanceof ApiError && error.status === 404
          ? 'This link has been used, or is more than an hour old. Restart the server to get a new one.'
          : errorText(error),
      )
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
            {...register('email')}
          />
        )}
      </Field>
      <Field label="Password" hint="At least 8 characters." problem={formState.errors.password?.message}>
        {(ids) => (
          <input
            {...ids}
            type="password"
            autoComplete="new-password"
            className={controlClass}
            {...register('password')}
          />
        )}
      </Field>
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
