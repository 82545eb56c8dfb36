import type { ChannelConfig, LivePublisher, RoomProblem } from '../contract/index.ts'
import type { Log } from '../observe/log.ts'
import type { Store } from '../store/store.ts'
import type { NodeTarget } from './adapters/registry.ts'
import type { DrainDeskOptions } from './drains/desk/drain-desk.ts'
import type { RegionConfig } from './fleet/members.ts'
import type { EntryFiles } from './probe/node-probe.ts'
import type { DetectOptions } from './signals/detect.ts'

/** What a collector watches, where it keeps what it saw, and whom it tells. */
export interface CollectorOptions {
  store: Store
  live: LivePublisher
  log: Log
  regions: readonly RegionConfig[]
  nodes: readonly NodeTarget[]
  polling: { intervalMs: number; timeoutMs: number; allow: readonly string[] }
  detect?: DetectOptions
  /** How drains are driven, where that differs from the ordinary. */
  drains?: Pick<DrainDeskOptions, 'emergency' | 'tickMs' | 'storePatienceMs' | 'monotonic'>
  /** Who is told of incidents. */
  notify?: readonly ChannelConfig[]
  /** Address of the pages in browsers, for links in messages. */
  url?: string
  /** Reads the files that an entry names, for looks at systems that are not watched yet; absent: there are none. */
  tlsFiles?: () => EntryFiles
  demo: boolean
  version: string
  /** Tells this collector from others on the same store; the same in each of its runs. Default: `collector`. */
  name?: string
  /** What others found wrong with the room itself; shown beside what the collector finds. */
  roomProblems?: () => readonly RoomProblem[]
  /** Wall clock in epoch ms. */
  now?: () => number
}
