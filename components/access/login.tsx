'use client'

import { SignInForm } from './sign-in-form.tsx'

/** Only a path of this site: a link must not take anybody to another site after signing in. */
const destination = (): string => {
  const next = new URLSearchParams(location.search).get('next')
  return next && /^\/(?![/\\])/.test(next) ? next : '/'
}

export function Login() {
  return <SignInForm onDone={() => location.assign(destination())} />
}
