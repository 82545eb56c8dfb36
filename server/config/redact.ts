import { SECRET, withoutCredentials } from './problem.ts'

/** The same tree with every secret as `[redacted]`, and URLs without their users, passwords and queries. */
export const redacted = (value: unknown, key = ''): unknown => {
  if (value !== undefined && SECRET.test(key)) return '[redacted]'
  if (key === 'notify' && Array.isArray(value)) return value.map(redactedChannel)
  if (typeof value === 'string') return withoutCredentials(value)
  if (Array.isArray(value)) return value.map((item) => redacted(item))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, redacted(item, name)]))
}

/** Whoever knows the path of a webhook may post to it: of a channel's address the host alone is shown. */
const redactedChannel = (value: unknown): unknown => {
  const channel = redacted(value)
  if (typeof channel !== 'object' || channel === null || !('url' in channel)) return channel
  const url = String(channel.url)
  return { ...channel, url: URL.canParse(url) ? `${new URL(url).origin}/[redacted]` : '[redacted]' }
}
