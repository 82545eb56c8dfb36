import { useState } from 'react'
import type { UseFormRegister } from 'react-hook-form'
import { TextField } from '../ui/text-field.tsx'
import type { ProbeTarget } from './probe-target.ts'

/** What a system may want to know of whoever asks it; folded away, because most want nothing. */
export function CredentialFields({
  register,
  problemOf,
}: {
  register: UseFormRegister<ProbeTarget>
  problemOf: (field: string) => string | undefined
}) {
  const [isOpen, setOpen] = useState(false)
  const names = ['user', 'password', 'ca', 'cert', 'key'] as const
  const field = (name: (typeof names)[number]) => ({
    field: register(name),
    problem: problemOf(name),
    autoComplete: 'off',
    spellCheck: false,
  })
  const isWrong = names.some((name) => problemOf(name) !== undefined)
  return (
    <details
      className="rounded-[4px] border border-hairline px-3 py-2 sm:col-span-3"
      // What is right now stays in sight: it is looked at again, or changed.
      open={isOpen || isWrong}
      onToggle={(event) => setOpen(event.currentTarget.open)}
    >
      <summary className="min-h-6">It wants a password or a certificate</summary>
      <div className="grid items-start gap-4 pt-3 pb-1 sm:grid-cols-2">
        <TextField label="User" maxLength={256} {...field('user')} />
        <TextField
          label="Password"
          type="password"
          hint="Sent with this look alone; the entry gets a reference."
          maxLength={512}
          {...field('password')}
          autoComplete="new-password"
        />
        <TextField
          label="Authorities"
          hint="A PEM file on the collector's machine, relative to its configuration file."
          placeholder="./ops-ca.pem"
          {...field('ca')}
        />
        <TextField label="Client certificate" placeholder="./collector.pem" {...field('cert')} />
        <TextField label="Its key" placeholder="./collector.key" {...field('key')} />
      </div>
    </details>
  )
}
