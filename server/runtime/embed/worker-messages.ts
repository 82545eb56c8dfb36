import type { MessagePort } from 'node:worker_threads'
import type { DrainBudget } from '../../contract/drain-budget.ts'
import type { ErrorCode, ErrorFacts } from '../../contract/errors.ts'
import type { Listener } from '../../contract/health.ts'
import type { NodeConfig } from '../../contract/node-config.ts'

/** What a node's worker thread starts with. */
export interface WorkerStart {
  config: NodeConfig
  dataDir: string
  env: Record<string, string>
  logLevel: string
  /** The worker's end of the shared tunnel directory. */
  directory: MessagePort | null
  budget: DrainBudget | null
}

export type ToWorker = { type: 'drain'; signal: string } | { type: 'close' }

export type FromWorker =
  | { type: 'started'; controlUrl: string; listeners: Listener[] }
  | { type: 'listeners'; listeners: Listener[] }
  | { type: 'failed'; code: ErrorCode | null; message: string; facts: ErrorFacts }
