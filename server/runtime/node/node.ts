import { type DrainBudget, readDrainBudget } from '../../contract/drain-budget.ts'
import type { NodeConfig } from '../../contract/node-config.ts'
import { createLog, type Log } from '../../observe/log.ts'
import type { Directory } from '../directory/directory.ts'
import { createMemoryDirectory } from '../directory/memory.ts'
import type { TidegateNode } from '../part/node-face.ts'
import { createProxy } from '../proxy/proxy.ts'
import { createPush } from '../push/push.ts'
import { createRelay } from '../relay/relay.ts'
import { buildNode } from './tidegate-node.ts'

export interface NodeOptions {
  /** Folder of the durable drain wish, the control token and the token store; default: the configuration's `data`, else none (nothing durable). */
  dataDir?: string
  /** Where the `SHUTDOWN_*` family is read; default: this process's environment. */
  env?: Record<string, string | undefined>
  /** Budgets of the drain, instead of those of the environment. */
  budget?: DrainBudget
  log?: Log
  /** The directory that relays share; default: one of the node's own. The caller closes it. */
  directory?: Directory
  /** Called once after a drain in mode `exit`. Absent: the node is embedded and refuses `exit` with `ERR_UNSUPPORTED`. */
  exit?: () => void
}

/**
 * One embeddable node: proxy, relay and push client, each where the configuration names it, with one drain over all of them. The
 * control listener exists where the configuration has a `control` part.
 */
export const createNode = (config: NodeConfig, options: NodeOptions = {}): TidegateNode => {
  const log = options.log ?? createLog('node')
  const read = readDrainBudget(options.env ?? process.env)
  const dataDir = options.dataDir ?? config.data
  if (options.budget === undefined)
    for (const warning of read.warnings) log.warn({ node: config.id }, warning)
  return buildNode(config, {
    log,
    budget: options.budget ?? read.budget,
    dataDir,
    exit: options.exit,
    makeParts: (context, state) => {
      const directory =
        config.relay === undefined
          ? null
          : options.directory === undefined
            ? createMemoryDirectory({ ttlMs: config.relay.directoryTtlMs })
            : options.directory
      const own = options.directory === undefined ? directory : null
      return {
        ...(config.proxy === undefined ? {} : { proxy: createProxy(config.proxy, context) }),
        ...(config.relay === undefined || directory === null
          ? {}
          : { relay: createRelay(config.relay, context, directory, { state, lent: own === null }) }),
        ...(config.push === undefined
          ? {}
          : { push: createPush(config.push, context, dataDir === undefined ? {} : { dataDir }) }),
        ...(options.directory === undefined
          ? {}
          : { owners: () => options.directory?.owners() ?? Promise.resolve({}) }),
        ...(own === null ? {} : { dispose: () => own.close() }),
      }
    },
  })
}
