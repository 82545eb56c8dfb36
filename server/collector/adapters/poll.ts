import type { Health } from '../../contract/index.ts'

/** How a poll ended. A poll is a value, never an exception. */
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

export interface PollResult {
  /** Collector's clock when the poll began, epoch ms. */
  at: number
  durationMs: number
  outcome: PollOutcome
  /** HTTP status where one was read. */
  status: number | null
  /** Present when `outcome` is `ok`. */
  document?: Health
  /** Parts of the document that were dropped because they were not what the schema says. */
  partial?: string[]
  /** The `Date` of the answer, epoch ms by the node's clock in whole seconds, where it had one. */
  saidAt?: number
  /** Milliseconds of `durationMs` for which the collector itself was busy: not the node's. */
  ownLagMs?: number
  /** No way to the address: `here` this machine has no route at all, `beyond` somebody on the way, or the last link, says so. */
  noRoute?: 'here' | 'beyond'
  /** One sentence for people. */
  reason: string
}

/** Where a node answers, and who it should be. */
export interface PollTarget {
  readonly id: string
  readonly region: string
  readonly url: string
  readonly token: string
  /** Its address was made by this process; `polling.allow` is about addresses that somebody wrote. */
  readonly embedded: boolean
}
