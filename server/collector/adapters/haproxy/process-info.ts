import { isCount } from '../facts.ts'
import { cleanText } from '../untrusted-json.ts'

/** What `show info` says of one HAProxy process. */
export interface ProcessInfo {
  readonly version: string | null
  readonly pid: number | null
  /** Epoch seconds; null before HAProxy 2.5. */
  readonly startedAt: number | null
  readonly uptimeMs: number | null
  /** It ends as soon as its sessions do: another process took its place. */
  readonly isStopping: boolean
  /** Processes that share the configuration (`nbproc`, until HAProxy 2.4): a socket speaks for one of them. */
  readonly processes: number
  readonly number: number
  /** All lines as they were, for people who want to see them. */
  readonly lines: Readonly<Record<string, string>>
}

const MAX_LINES = 200

/** Reads `show info`; null where it is not in the text. */
export const readInfo = (text: string): ProcessInfo | null => {
  const start = text.indexOf('Name: ')
  if (start < 0) return null
  const lines: Record<string, string> = {}
  for (const line of text.slice(start).split('\n', MAX_LINES)) {
    if (line === '') break
    const colon = line.indexOf(':')
    // JSON.parse is not the only one that could set a prototype.
    if (colon > 0 && !line.startsWith('__proto__'))
      lines[cleanText(line.slice(0, colon))] = cleanText(line.slice(colon + 1)).trim()
  }
  const number = (name: string): number | null => {
    const value = Number(lines[name] === undefined || lines[name] === '' ? Number.NaN : lines[name])
    return isCount(value) ? value : null
  }
  const uptime = number('Uptime_sec')
  return {
    version: lines.Version ?? null,
    pid: number('Pid'),
    startedAt: number('Start_time_sec'),
    uptimeMs: uptime === null ? null : uptime * 1_000,
    isStopping: lines.Stopping === '1',
    processes: number('Nbproc') ?? 1,
    number: number('Process_num') ?? 1,
    lines,
  }
}
