import { durationWords } from '../../../contract/words.ts'
import type { StatRow } from './statistics.ts'

/** Bits of `srv_admin_state` (management guide, "show servers state"): asked for by somebody, inherited, or found by a resolver. */
const MAINTENANCE = 0x01 | 0x02 | 0x04 | 0x40
const UNRESOLVED = 0x20
const DRAIN = 0x08 | 0x10

/**
 * What HAProxy does with a server. `out`: somebody wants no new sessions on it (`how` says which way); `down`: its checks say that it
 * cannot serve, or its name leads nowhere; `up`: it takes new sessions.
 */
export type ServerState =
  | { kind: 'up' }
  | { kind: 'out'; how: 'drain' | 'maintenance' }
  | { kind: 'down'; why: string }

/** @param admin `srv_admin_state`; undefined where it is not known, and the status tells what it can */
export const serverState = (row: StatRow, admin: number | undefined): ServerState => {
  const { status } = row
  const isUnresolved = status === 'MAINT (resolution)' || ((admin ?? 0) & UNRESOLVED) !== 0
  if (((admin ?? 0) & MAINTENANCE) !== 0) return { kind: 'out', how: 'maintenance' }
  if (((admin ?? 0) & DRAIN) !== 0) return { kind: 'out', how: 'drain' }
  if (isUnresolved) return { kind: 'down', why: `${titleOf(row)} has no address: its name does not resolve` }
  if (status.startsWith('MAINT')) return { kind: 'out', how: 'maintenance' }
  // NOLB: its own check says that it wants no new sessions (`disable-on-404`).
  if (status.startsWith('DRAIN') || status.startsWith('NOLB')) return { kind: 'out', how: 'drain' }
  if (status.startsWith('DOWN')) return { kind: 'down', why: downWords(row) }
  return { kind: 'up' }
}

/** `server web/web-1`. */
export const titleOf = ({ proxy, name }: StatRow): string => `server ${proxy}/${name}`

/** `server web/web-2 is DOWN for 3 min: L4CON Connection refused`. */
const downWords = (row: StatRow): string => {
  const { lastchg } = row.numbers
  const since = lastchg === undefined ? '' : ` for ${durationWords(lastchg * 1_000)}`
  const check = checkWords(row)
  return `${titleOf(row)} is ${row.status}${since}${check === '' ? '' : `: ${check}`}`
}

/** What its newest check found: `L4CON Connection refused`, `L7STS 503 Service Unavailable`; empty where it has none. */
export const checkWords = ({ checkStatus, lastCheck, numbers }: StatRow): string =>
  // A star before it: a check is under way, this is the one before.
  [checkStatus.replace(/^\* /, ''), numbers.check_code, lastCheck]
    .filter((part) => part !== undefined && part !== '')
    .join(' ')
