import type { RunningDrains } from '../../server/collector/collector.ts'
import type { Drain } from '../../server/contract/index.ts'

/** A drain desk that has nothing to do. */
export const idleDrains = (active: Drain[] = []): RunningDrains => ({
  start: async () => undefined,
  close: async () => undefined,
  active: () => active,
  held: () => [],
  absence: () => null,
  progress: () => ({ driven: 0, longestWithoutTickMs: null }),
  preview: () => Promise.reject(new Error('not here')),
  create: () => Promise.reject(new Error('not here')),
  get: async () => null,
  list: async () => ({ items: [], nextCursor: null }),
  act: () => Promise.reject(new Error('not here')),
})
