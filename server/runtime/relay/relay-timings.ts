/** Waits of the relay that are not configuration. Tests shorten them; all are milliseconds. */
export interface RelayTimings {
  /** How long the host's report may take before its registration is reported without it. */
  reportWaitMs: number
  /** Between `{"type":"drain"}` and 4001 at least … */
  drainNoticeMs: number
  /**
   * … and how long hosts that were told are waited for, since the last that was told or moved: two or three relays dialled in vain,
   * then one that takes them.
   */
  moveWaitMs: number
  /** A tunnel whose host has moved stays at least this long, so that its registration elsewhere is reported before its end here. */
  movedLingerMs: number
  /** A tunnel that stayed, and is taken from the directory, is closed when its streams have ended, or after this long. */
  lastStreamsMs: number
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
  moveWaitMs: 4_000,
  movedLingerMs: 500,
  lastStreamsMs: 5_000,
  registerRetryMs: [100, 300],
  closeGraceMs: 5_000,
  finishGraceMs: 5_000,
  refreshMs: null,
}
