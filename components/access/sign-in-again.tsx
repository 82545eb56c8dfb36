'use client'

import { renewSession, useSessionEnded } from '../data/session.ts'
import { Modal } from '../ui/modal.tsx'
import { SignInForm } from './sign-in-form.tsx'

/** A session that ended keeps the page: sign in again in place. */
export function SignInAgain() {
  const ended = useSessionEnded()
  return (
    <Modal
      open={ended}
      onOpenChange={() => undefined}
      closable={false}
      title="Sign in again"
      description="Your session has ended. The page behind stays as it was, and is not live until you are back."
    >
      <SignInForm onDone={renewSession} />
    </Modal>
  )
}
