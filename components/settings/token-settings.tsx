'use client'

import { useMemo } from 'react'
import { useWatch } from 'react-hook-form'
import { z } from 'zod'
import { type ApiToken, tokenCreateSchema } from '@/server/contract/access.ts'
import { line } from '@/server/contract/text.ts'
import { useAccessChanges, useTokens } from '../data/access.ts'
import { errorText, problemsByPath } from '../data/error-text.ts'
import { useMay } from '../data/me.ts'
import { Panel } from '../panels/panel.tsx'
import { Button } from '../ui/button.tsx'
import { ConfirmButton } from '../ui/confirm-button.tsx'
import { type Column, DataTable } from '../ui/data-table.tsx'
import { Field } from '../ui/field.tsx'
import { TextField } from '../ui/text-field.tsx'
import { Time } from '../ui/time.tsx'
import { bySchema, useCheckedForm } from '../ui/use-checked-form.ts'
import { RoleSelect } from './role-select.tsx'

const COLUMNS: readonly Column<ApiToken>[] = [
  { name: 'Name', className: 'font-medium', by: (token) => token.name, cell: (token) => token.name },
  { name: 'Role', by: (token) => token.role, cell: (token) => token.role },
  {
    name: 'Created',
    by: (token) => token.createdAt,
    cell: (token) => <Time at={token.createdAt} as="full" />,
  },
  {
    name: 'Expires',
    by: (token) => token.expiresAt,
    cell: (token) => (token.expiresAt ? <Time at={token.expiresAt} as="full" /> : 'never'),
  },
  {
    name: 'Last used',
    by: (token) => token.lastUsedAt,
    cell: (token) => (token.lastUsedAt ? <Time at={token.lastUsedAt} as="ago" /> : 'never'),
  },
]

export function TokenSettings() {
  const admin = useMay('admin')
  const tokens = useTokens(admin)
  const { removeToken } = useAccessChanges()
  const remove = removeToken.mutate
  const columns = useMemo(
    (): readonly Column<ApiToken>[] => [
      ...COLUMNS,
      {
        name: 'Actions',
        stays: 'right',
        silent: true,
        cell: (token) => (
          <ConfirmButton label="Revoke" ask={`Revoke ${token.name}`} onConfirm={() => remove(token.id)} />
        ),
      },
    ],
    [remove],
  )
  if (!admin) return null
  return (
    <Panel title="API tokens" query={tokens}>
      {tokens.data?.items.length === 0 ? (
        <p className="text-soft">No token yet. Scripts and the command line sign in with one.</p>
      ) : (
        <DataTable
          label="API tokens"
          columns={columns}
          rows={tokens.data?.items ?? []}
          rowKey={(token) => token.id}
        />
      )}
      {removeToken.error && (
        <p role="alert" className="mt-2 text-down">
          {errorText(removeToken.error)}
        </p>
      )}
      <AddToken />
    </Panel>
  )
}

const tokenFormSchema = tokenCreateSchema.extend({
  name: line(100, 'Give it a name that you will recognise.'),
  /** A day, as a date field writes it; empty for one that never expires. */
  expiresAt: z.union([z.literal(''), z.iso.date()]),
})

function AddToken() {
  const { addToken } = useAccessChanges()
  const { register, handleSubmit, resetField, problemOf, showProblems, setValue, control } = useCheckedForm(
    bySchema(tokenFormSchema),
    { name: '', role: 'viewer', expiresAt: '' },
  )
  const role = useWatch({ control, name: 'role' })
  const submit = handleSubmit(({ expiresAt, ...token }) => {
    if (addToken.isPending) return
    // It is good until the end of that day.
    const until = expiresAt ? { expiresAt: new Date(`${expiresAt}T23:59:59Z`).toISOString() } : {}
    addToken.mutate(
      { ...token, ...until },
      {
        onSuccess: () => resetField('name'),
        onError: (error) => showProblems(problemsByPath(error)),
      },
    )
  })
  return (
    <form
      className="mt-4 grid max-w-3xl grid-cols-[minmax(0,1fr)] items-start gap-3 sm:grid-cols-[1fr_8rem_11rem_auto]"
      noValidate
      onSubmit={submit}
    >
      <TextField label="Name" maxLength={100} field={register('name')} problem={problemOf('name')} />
      <Field label="Role">
        {({ id }) => <RoleSelect id={id} value={role} onChange={(next) => setValue('role', next)} />}
      </Field>
      <TextField label="Expires" type="date" field={register('expiresAt')} problem={problemOf('expiresAt')} />
      <div className="sm:pt-6">
        <Button type="submit" aria-disabled={addToken.isPending || undefined}>
          Create token
        </Button>
      </div>
      {addToken.data && (
        <p role="status" className="rounded-[4px] bg-accent-wash px-3 py-2 sm:col-span-4">
          Copy it now; it is never shown again:{' '}
          <code className="num select-all break-all font-semibold">{addToken.data.token}</code>
        </p>
      )}
      {addToken.error && Object.keys(problemsByPath(addToken.error)).length === 0 && (
        <p role="alert" className="text-down sm:col-span-4">
          {errorText(addToken.error)}
        </p>
      )}
    </form>
  )
}
