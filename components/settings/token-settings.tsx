'use client'

import { useMemo, useState } from 'react'
import type { ApiToken } from '@/server/contract/access.ts'
import type { Role } from '@/server/contract/states.ts'
import { useAccessChanges, useTokens } from '../data/access.ts'
import { errorText, problemsByPath } from '../data/error-text.ts'
import { useMay } from '../data/me.ts'
import { Panel } from '../panels/panel.tsx'
import { Button } from '../ui/button.tsx'
import { ConfirmButton } from '../ui/confirm-button.tsx'
import { controlClass } from '../ui/control-class.ts'
import { type Column, DataTable } from '../ui/data-table.tsx'
import { Field } from '../ui/field.tsx'
import { Time } from '../ui/time.tsx'
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

function AddToken() {
  const { addToken } = useAccessChanges()
  const [name, setName] = useState('')
  const [role, setRole] = useState<Role>('viewer')
  const [expires, setExpires] = useState('')
  const problems = problemsByPath(addToken.error)
  return (
    <form
      className="mt-4 grid max-w-3xl grid-cols-[minmax(0,1fr)] items-start gap-3 sm:grid-cols-[1fr_8rem_11rem_auto]"
      onSubmit={(event) => {
        event.preventDefault()
        addToken.mutate(
          {
            name: name.trim(),
            role,
            ...(expires ? { expiresAt: new Date(`${expires}T23:59:59Z`).toISOString() } : {}),
          },
          { onSuccess: () => setName('') },
        )
      }}
    >
      <Field label="Name" problem={problems.name}>
        {(ids) => (
          <input
            {...ids}
            required
            maxLength={100}
            className={controlClass}
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
        )}
      </Field>
      <Field label="Role">{({ id }) => <RoleSelect id={id} value={role} onChange={setRole} />}</Field>
      <Field label="Expires" problem={problems.expiresAt}>
        {(ids) => (
          <input
            {...ids}
            type="date"
            className={controlClass}
            value={expires}
            onChange={(event) => setExpires(event.target.value)}
          />
        )}
      </Field>
      <div className="sm:pt-6">
        <Button type="submit" disabled={addToken.isPending}>
          Create token
        </Button>
      </div>
      {addToken.data && (
        <p role="status" className="rounded-[4px] bg-accent-wash px-3 py-2 sm:col-span-4">
          Copy it now; it is never shown again:{' '}
          <code className="num select-all break-all font-semibold">{addToken.data.token}</code>
        </p>
      )}
      {addToken.error && Object.keys(problems).length === 0 && (
        <p role="alert" className="text-down sm:col-span-4">
          {errorText(addToken.error)}
        </p>
      )}
    </form>
  )
}
