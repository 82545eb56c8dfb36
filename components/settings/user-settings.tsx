'use client'

import { useMemo } from 'react'
import { useWatch } from 'react-hook-form'
import { type User, userCreateSchema } from '@/server/contract/access.ts'
import { useAccessChanges, useUsers } from '../data/access.ts'
import { errorText, problemsByPath } from '../data/error-text.ts'
import { useMay, useMe } from '../data/me.ts'
import { Panel } from '../panels/panel.tsx'
import { Button } from '../ui/button.tsx'
import { ConfirmButton } from '../ui/confirm-button.tsx'
import { type Column, DataTable } from '../ui/data-table.tsx'
import { Field } from '../ui/field.tsx'
import { TextField } from '../ui/text-field.tsx'
import { Time } from '../ui/time.tsx'
import { bySchema, useCheckedForm } from '../ui/use-checked-form.ts'
import { RoleSelect } from './role-select.tsx'

export function UserSettings() {
  const me = useMe()
  const admin = useMay('admin')
  const users = useUsers(admin)
  const { changeRole, removeUser } = useAccessChanges()
  const change = changeRole.mutate
  const remove = removeUser.mutate
  const mine = me.data?.email
  const columns = useMemo(
    (): readonly Column<User>[] => [
      {
        name: 'E-mail',
        className: 'font-medium',
        by: (user) => user.email,
        cell: (user) => (
          <>
            {user.email}
            {user.email === mine && <span className="font-normal text-faint"> · you</span>}
          </>
        ),
      },
      {
        name: 'Role',
        className: 'w-36',
        by: (user) => user.role,
        cell: (user) => (
          <RoleSelect
            label={`Role of ${user.email}`}
            value={user.role}
            onChange={(role) => change({ id: user.id, role })}
          />
        ),
      },
      { name: 'Since', by: (user) => user.createdAt, cell: (user) => <Time at={user.createdAt} as="full" /> },
      {
        name: 'Actions',
        stays: 'right',
        silent: true,
        // Nobody removes themselves: the last administrator would lock everybody out, and any other can ask somebody else to do it.
        cell: (user) =>
          user.email !== mine && (
            <ConfirmButton label="Remove" ask={`Remove ${user.email}`} onConfirm={() => remove(user.id)} />
          ),
      },
    ],
    [mine, change, remove],
  )
  if (me.data && !admin)
    return (
      <p className="text-soft">Only administrators can see and manage access; your role is {me.data.role}.</p>
    )
  const problem = changeRole.error ?? removeUser.error
  return (
    <Panel title="People" query={users} reserve={150} reserveOnPhone={400}>
      <DataTable label="People" columns={columns} rows={users.data?.items ?? []} rowKey={(user) => user.id} />
      {problem && (
        <p role="alert" className="mt-2 text-down">
          {errorText(problem)}
        </p>
      )}
      <AddUser />
    </Panel>
  )
}

function AddUser() {
  const { addUser } = useAccessChanges()
  const { register, handleSubmit, reset, problemOf, showProblems, setValue, control } = useCheckedForm(
    bySchema(userCreateSchema),
    { email: '', password: '', role: 'viewer' },
  )
  const role = useWatch({ control, name: 'role' })
  const submit = handleSubmit((user) => {
    if (addUser.isPending) return
    addUser.mutate(user, {
      onSuccess: () => reset({ email: '', password: '', role: user.role }),
      onError: (error) => showProblems(problemsByPath(error)),
    })
  })
  return (
    <form
      className="mt-4 grid max-w-3xl grid-cols-[minmax(0,1fr)] items-start gap-3 sm:grid-cols-[1fr_1fr_8rem_auto]"
      noValidate
      onSubmit={submit}
    >
      <TextField
        label="E-mail"
        type="email"
        autoComplete="off"
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
      <Field label="Role">
        {({ id }) => <RoleSelect id={id} value={role} onChange={(next) => setValue('role', next)} />}
      </Field>
      <div className="sm:pt-6">
        <Button type="submit" aria-disabled={addUser.isPending || undefined}>
          Add
        </Button>
      </div>
      {addUser.error && Object.keys(problemsByPath(addUser.error)).length === 0 && (
        <p role="alert" className="text-down sm:col-span-4">
          {errorText(addUser.error)}
        </p>
      )}
    </form>
  )
}
