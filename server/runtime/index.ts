/** `tidegate/runtime`: the node as a library, usable without a collector. */
export type { DrainBudget } from '../contract/drain-budget.ts'
export { AppError, type ErrorCode } from '../contract/errors.ts'
export type { EventType, NodeEvent } from '../contract/events.ts'
export type { Health, Listener } from '../contract/health.ts'
export type { NodeDrainRequest } from '../contract/node-api.ts'
export { type NodeConfig, nodeConfigSchema } from '../contract/node-config.ts'
export type { Directory } from './directory/directory.ts'
export { createMemoryDirectory } from './directory/memory.ts'
export { type EmbeddedNode, type EmbedOptions, startEmbeddedNode } from './embed/embed.ts'
export type { EventLog } from './events/event-log.ts'
export {
  createHostClient,
  type HostClient,
  type HostClientOptions,
  type HostEvent,
  type HostState,
} from './host/host-client.ts'
export { createNode, type NodeOptions } from './node/node.ts'
export type { DrainStatus } from './part/drain-parts.ts'
export type { TidegateNode } from './part/node-face.ts'
