import { join } from 'node:path'
import type { NodeTarget } from '../collector/adapters/registry.ts'
import type { Config } from '../config/schema.ts'
import { createDemoFleet, type DemoFleet } from '../demo/demo-fleet.ts'
import { createLog } from '../observe/log.ts'
import { EmbeddedFleet } from '../runtime/embed/embedded-fleet.ts'

/** The nodes that this process runs itself: those that the configuration embeds, or the demo's. */
export interface LocalNodes {
  start(): Promise<void>
  /** Every node as the collector reaches it. */
  nodes(): NodeTarget[]
  /** Called when a node has come back at another address. */
  onMoved(listener: (id: string, url: string, token: string) => void): void
  /** All nodes through their phases, in parallel under one budget. */
  drainForSignal(): Promise<void>
  close(): Promise<void>
}

/** What runs here, and which of the two it is. */
export type Local =
  | { kind: 'demo'; config: null; nodes: DemoFleet }
  | { kind: 'configured'; config: Config; nodes: EmbeddedFleet }

export const createLocal = (
  config: Config | null,
  dataDir: string,
  env: Record<string, string | undefined>,
): Local =>
  config === null
    ? {
        kind: 'demo',
        config,
        nodes: createDemoFleet({ dataDir, env, log: createLog('demo', env.LOG_LEVEL) }),
      }
    : {
        kind: 'configured',
        config,
        nodes: new EmbeddedFleet({
          nodes: config.embedded,
          dataDirOf: (node) => join(dataDir, 'nodes', node),
          env,
          log: createLog('nodes', env.LOG_LEVEL),
        }),
      }
