import { checkValue } from '@/server/contract/issue-words.ts'
import { type MaintenanceCreateRequest, maintenanceCreateSchema } from '@/server/contract/maintenance.ts'
import type { Zone } from '../ui/format.ts'
import type { Checked } from '../ui/use-checked-form.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** How long it may take, in ms, as the form offers it. */
export const LENGTHS: readonly { ms: number; label: string }[] = [
  { ms: 15 * MINUTE, label: '15 min' },
  { ms: 30 * MINUTE, label: '30 min' },
  { ms: HOUR, label: '1 h' },
  { ms: 2 * HOUR, label: '2 h' },
  { ms: 4 * HOUR, label: '4 h' },
  { ms: 8 * HOUR, label: '8 h' },
  { ms: 24 * HOUR, label: '1 day' },
  { ms: 7 * 24 * HOUR, label: '7 days' },
]

/** What the form holds. */
export interface WindowValues {
  title: string
  reason: string
  /** As a date and time field writes it, in the zone of the page; empty: now. */
  begins: string
  /** Milliseconds, as text. */
  length: string
  /** `all`: the whole fleet; `some`: what is marked. */
  of: 'all' | 'some'
  /** `region:fra`, `node:iad-1`. */
  parts: string[]
}

export const NEW_WINDOW: WindowValues = {
  title: '',
  reason: '',
  begins: '',
  length: String(HOUR),
  of: 'some',
  parts: [],
}

/** Epoch ms of the value of a date and time field; NaN where it is not a time. */
export const timeOfField = (text: string, zone: Zone): number =>
  Date.parse(zone === 'utc' ? `${text}Z` : text)

const idsOf = (parts: readonly string[], kind: string): string[] =>
  parts.filter((part) => part.startsWith(`${kind}:`)).map((part) => part.slice(kind.length + 1))

const WORDS: Readonly<Record<string, string>> = {
  title: 'Say what is done, for example: kernel update.',
  reason: 'Say why; whoever is on call reads it.',
}

/** The request that the form means, or what it still needs. `now` in epoch ms by the server's clock. */
export const windowRequest = (
  values: WindowValues,
  now: number,
  zone: Zone,
): Checked<MaintenanceCreateRequest> => {
  const from = values.begins === '' ? now : timeOfField(values.begins, zone)
  const problems: Record<string, string> = {}
  if (values.of === 'some' && values.parts.length === 0)
    problems.parts = 'Mark what it covers, or choose the whole fleet.'
  if (Number.isNaN(from)) problems.begins = 'Write a date and a time, or leave it empty for now.'
  else if (from + Number(values.length) <= now) problems.begins = 'It would be over already.'
  const request = {
    title: values.title,
    reason: values.reason,
    from: new Date(Number.isNaN(from) ? now : from).toISOString(),
    to: new Date((Number.isNaN(from) ? now : from) + Number(values.length)).toISOString(),
    ...(values.of === 'some'
      ? { regions: idsOf(values.parts, 'region'), nodes: idsOf(values.parts, 'node') }
      : {}),
  }
  const checked = checkValue(maintenanceCreateSchema, request)
  if (!checked.success)
    for (const { path, message } of checked.error.issues) {
      const field = String(path[0] ?? '')
      problems[field] ??= WORDS[field] ?? message
    }
  return Object.keys(problems).length === 0 && checked.success ? { values: checked.data } : { problems }
}
