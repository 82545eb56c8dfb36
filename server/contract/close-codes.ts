/** What a tunnel host does after a close with this code. */
export type HostReaction = 'backoff' | 'drain' | 'reconnect_now' | 'stop'

export interface CloseCode {
  code: number
  name: string
  meaning: string
  /** `drain`: after `registered` the backoff resets and the host dials elsewhere within 500 ms; before it, backoff continues. */
  reaction: HostReaction
}

/**
 * The one table of WebSocket close codes on tunnels (RFC 6455 §7.4). One code, one meaning: a test holds that, and
 * `docs/close-codes.md` prints it.
 */
export const CLOSE_CODES = [
  { code: 1000, name: 'normal', meaning: 'The host ended its tunnel on purpose', reaction: 'backoff' },
  { code: 1001, name: 'going_away', meaning: 'Ping timeout, or the peer is going away', reaction: 'backoff' },
  {
    code: 1006,
    name: 'abnormal',
    meaning: 'The connection broke without a close frame',
    reaction: 'backoff',
  },
  {
    code: 1008,
    name: 'bad_request',
    meaning: 'Bad request: the host id or the protocol is not acceptable',
    reaction: 'backoff',
  },
  { code: 1009, name: 'too_large', meaning: 'A message was larger than allowed', reaction: 'backoff' },
  {
    code: 1011,
    name: 'relay_failed',
    meaning: 'The relay failed (directory or upstream)',
    reaction: 'backoff',
  },
  { code: 1013, name: 'try_again_later', meaning: 'The relay is at its ceiling', reaction: 'backoff' },
  { code: 4001, name: 'drain', meaning: 'Operator or deploy drain', reaction: 'drain' },
  { code: 4002, name: 'host_watchdog', meaning: "The host's own watchdog saw silence", reaction: 'backoff' },
  { code: 4008, name: 'connect_timeout', meaning: "The host's connect timeout", reaction: 'backoff' },
  { code: 4401, name: 'not_authenticated', meaning: 'Not authenticated', reaction: 'backoff' },
  { code: 4403, name: 'wrong_host', meaning: "The token is not this host's", reaction: 'backoff' },
  { code: 4404, name: 'kicked', meaning: 'An operator closed this tunnel', reaction: 'backoff' },
  { code: 4408, name: 'stale', meaning: 'Another relay owns this host now', reaction: 'reconnect_now' },
  { code: 4409, name: 'replaced', meaning: 'Replaced by a newer tunnel of the same host', reaction: 'stop' },
] as const satisfies readonly CloseCode[]

type Entry = (typeof CLOSE_CODES)[number]

/** The codes by their names: `CLOSE.kicked` is 4404. Code of the product writes no close code as a number (a test holds that). */
export const CLOSE = Object.fromEntries(CLOSE_CODES.map(({ name, code }) => [name, code])) as {
  readonly [E in Entry as E['name']]: E['code']
}

const byCode = new Map<number, CloseCode>(CLOSE_CODES.map((entry) => [entry.code, entry]))

/** The table's entry, or undefined for a code that is not ours. */
export const closeCode = (code: number): CloseCode | undefined => byCode.get(code)

/** Words for any close code, known or not. */
export const closeMeaning = (code: number | null | undefined): string | null => {
  if (code === null || code === undefined) return null
  return byCode.get(code)?.meaning ?? `Close code ${code}`
}

/**
 * A received code that may not be sent on (1005, 1006, 1015, RFC 6455 §7.4.1) becomes 1011, never 1000: passing on a
 * failure as a success hides it.
 */
export const sendableCloseCode = (code: number): number => {
  if (code === 1000 || (code >= 1001 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006))
    return code
  return code >= 3000 && code <= 4999 ? code : 1011
}
