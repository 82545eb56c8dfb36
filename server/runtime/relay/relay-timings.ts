/** Waits of the relay that are not configuration. Tests shorten them; all are milliseconds. */
export interface RelayTimings {
  /** How long the host's report may take before its registration is told without it. */
  reportWaitMs: number
  /** Between `{"type":"drain"}` and 4001 at least … */
  drainNoticeMs: number
  /** … and at most, while hosts of the slice have not registered elsewhere yet. */
  drainNoticeMaxMs: number
  /** The same where a pace is given: it is then more important that nobody has a gap than that the drain is short. */
  pacedNoticeMaxMs: number
  /** Pauses between the three tries to register in the directory. */
  registerRetryMs: readonly number[]
  /** How long a closed socket may linger before it is cut. */
  closeGraceMs: number
  /** `close()` waits this long for what is in flight. */
  finishGraceMs: number
  /** Between two refreshes of the directory; default: the ping interval, at most a third of the TTL. */
  refreshMs: number | null
}

export const RELAY_TIMINGS: RelayTimings = {
  reportWaitMs: 1_000,
  drainNoticeMs: 500,
  drainNoticeMaxMs: 1_000,
  pacedNoticeMaxMs: 2_000,
  registerRetryMs: [100, 300],
  closeGraceMs: 5_000,
  finishGraceMs: 5_000,
  refreshMs: null,
}
