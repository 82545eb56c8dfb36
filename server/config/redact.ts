import { SECRET, withoutCredentials } from './problem.ts'

/** The same tree with every secret as `[redacted]`, and URLs without their users, passwords and queries. */
export const redacted = (value: unknown, key = ''): unknown => {
  if (value !== undefined && SECRET.test(key)) return '[redacted]'
  if (typeof value === 'string') return withoutCredentials(value)
  if (Array.isArray(value)) return value.map((item) => redacted(item))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, redacted(item, name)]))
}
