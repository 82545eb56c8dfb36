import { type ProcessInfo, readInfo } from './process-info.ts'
import { readStatistics, type StatRow } from './statistics.ts'

/** One whole answer of an HAProxy. */
export interface HaproxyAnswer {
  readonly info: ProcessInfo
  readonly rows: readonly StatRow[]
  /**
   * What operators want of each server, by its name: bits of `srv_admin_state`. `show stat` does not tell it of a server that is down.
   */
  readonly admin: ReadonlyMap<string, number>
  /** HAProxy's number of the backend that was asked for; null where all were. */
  readonly backendId: string | null
}

/**
 * What is asked for: of one server only its backend is sent.
 *
 * @param backendId by which the backend is named: of a frontend and a backend of one name, HAProxy takes the name for the frontend
 */
export const questionFor = (
  { backend }: { backend?: string | undefined },
  backendId: string | null = null,
): string[] =>
  backend === undefined
    ? ['show info', 'show stat -1 7 -1']
    : ['show info', `show stat ${backendId ?? backend} 6 -1`, `show servers state ${backend}`]

/** Reads an answer to {@link questionFor}, or says in a sentence why it is none. Never throws. */
export const readAnswer = (text: string, backend: string | undefined): HaproxyAnswer | { fault: string } => {
  const info = readInfo(text)
  if (info === null)
    return {
      fault: text.startsWith('Unknown command')
        ? 'this is not the runtime API of a process that serves: it does not know `show info`; the socket of the master process (-S) is not read'
        : `there is no \`show info\` in the answer; it begins with ${JSON.stringify(text.slice(0, 40).replace(/[^\x20-\x7e]/g, ' '))}`,
    }
  if (backend !== undefined && /(?:^|\n)No such (?:proxy|backend)\.\n/.test(text))
    return { fault: `HAProxy has no backend ${backend}` }
  const statistics = readStatistics(text)
  if ('fault' in statistics) return { fault: `the statistics ${statistics.fault}` }
  return {
    info,
    rows: statistics.rows,
    ...adminStates(text),
  }
}

/** Of version 1 of `show servers state`, which all that is maintained answers. */
const adminStates = (text: string): Pick<HaproxyAnswer, 'admin' | 'backendId'> => {
  const states = new Map<string, number>()
  let backendId: string | null = null
  const start = text.indexOf('# be_id be_name srv_id srv_name ')
  if (start < 0) return { admin: states, backendId }
  const [header = '', ...lines] = text.slice(start + 2).split('\n')
  const column = header.split(' ').indexOf('srv_admin_state')
  for (const line of lines) {
    if (line === '') break
    const fields = line.split(' ')
    const state = Number(fields[column])
    if (fields[3] !== undefined && Number.isInteger(state)) states.set(fields[3], state)
    if (/^\d{1,9}$/.test(fields[0] ?? '')) backendId = fields[0] ?? null
  }
  return { admin: states, backendId }
}
