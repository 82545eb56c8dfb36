import { ROLES, type Role } from '@/server/contract/states.ts'
import { controlClass } from '../ui/control-class.ts'

export function RoleSelect({
  value,
  onChange,
  label,
  id,
}: {
  value: Role
  onChange: (role: Role) => void
  label?: string
  id?: string
}) {
  return (
    <select
      {...(id ? { id } : {})}
      {...(label ? { 'aria-label': label } : {})}
      className={controlClass}
      value={value}
      onChange={(event) => {
        const role = ROLES.find((candidate) => candidate === event.target.value)
        if (role) onChange(role)
      }}
    >
      {ROLES.map((role) => (
        <option key={role}>{role}</option>
      ))}
    </select>
  )
}
