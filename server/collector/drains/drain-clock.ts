/** Two clocks: the wall's for what people read, the monotonic one for everything that is measured or waited for. */
export interface DrainClock {
  /** Epoch ms. Somebody may set it at any time. */
  now(): number
  /** Milliseconds that only ascend, from any start. */
  monotonic(): number
}

export const systemClock: DrainClock = { now: Date.now, monotonic: () => performance.now() }
