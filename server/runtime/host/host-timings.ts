import { Backoff } from '../../time/backoff.ts'

/** Waits of the host client in milliseconds. The defaults are the product's; tests shorten them. */
export interface HostTimings {
  /** From the start of an attempt (the token included) until `registered`. */
  connectTimeoutMs: number
  /** Silence on a registered tunnel after which it counts as dead. */
  watchdogMs: number
  watchdogCheckMs: number
  /** How long a socket may take to close once it has begun to. */
  stuckClosingMs: number
  /** How long a relay that drains is avoided while another can be had. */
  avoidMs: number
  /** The first attempt after a drain comes within this time. */
  drainJitterMs: number
  backoffBaseMs: number
  backoffMaxMs: number
  /** A tunnel held this long proves its relay good: the next backoff starts from the beginning. */
  stableMs: number
  /** A tunnel lost to another relay sooner than this is not fought for at once. */
  flappingMs: number
  /** An old tunnel without requests is ended this long after its successor registered, if its relay does not. */
  retiredIdleMs: number
}

export const HOST_TIMINGS: HostTimings = {
  connectTimeoutMs: 20_000,
  watchdogMs: 75_000,
  watchdogCheckMs: 10_000,
  stuckClosingMs: 30_000,
  avoidMs: 30_000,
  drainJitterMs: 500,
  backoffBaseMs: 1_000,
  backoffMaxMs: 5_000,
  stableMs: 60_000,
  flappingMs: 5_000,
  retiredIdleMs: 30_000,
}

/** `min(base · 2ⁿ, max) × [0.5, 1)` */
export const hostBackoff = (timings: HostTimings, random: () => number): Backoff =>
  new Backoff({ baseMs: timings.backoffBaseMs, maxMs: timings.backoffMaxMs, random })
