import type { Facts } from './facts.ts'

/** How a poll ended. */
export const POLL_OUTCOMES = [
  'ok',
  'refused',
  'timeout',
  'dns',
  'tls',
  'redirect',
  'bad_status',
  'bad_body',
  'too_large',
  'wrong_region',
  'wrong_node',
  'blocked_address',
] as const
export type PollOutcome = (typeof POLL_OUTCOMES)[number]

/** What came of asking a node once. A poll is a value, never an exception. */
export interface Reading {
  /** Collector's clock when the poll began, epoch ms. */
  at: number
  durationMs: number
  outcome: PollOutcome
  /** HTTP status where one was read. */
  status: number | null
  /** One sentence for people. */
  reason: string
  /** Present when, and only when, `outcome` is `ok`. */
  facts?: Facts
  /** The answer as it may be shown: bounded, hidden characters gone. Present with `facts`. */
  raw?: unknown
  /** What of the answer could not be read, one sentence for each part; the rest is in `facts`. */
  partial?: string[]
  /** The `Date` of the answer, epoch ms by the node's clock in whole seconds, where it had one. */
  saidAt?: number
  /** Milliseconds of `durationMs` for which the collector itself was busy: not the node's. */
  ownLagMs?: number
  /** No way to the address: `here` this machine has no route at all, `beyond` somebody on the way, or the last link, says so. */
  noRoute?: 'here' | 'beyond'
  /** Nobody listens there (`ECONNREFUSED`): the machine is up, and says that the program is not. */
  isAbsent?: true
}
