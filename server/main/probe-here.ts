import { resolve } from 'node:path'
import { createAddressRules } from '../collector/adapters/address.ts'
import { adaptersForOneLook, NodeProbe } from '../collector/probe/node-probe.ts'
import { tlsFilesBeside } from '../config/load.ts'
import type { NodeProbeAnswer } from '../contract/answers/node-probe.ts'
import { type NodeProbeRequest, nodeProbeRequestSchema } from '../contract/probe.ts'
import { createLog } from '../observe/log.ts'

/**
 * Looks at a system from this machine; no server is needed. Files are relative to the current folder. Rejects like {@link NodeProbe.run}.
 *
 * @param written secrets as references, for the entry
 */
export const probeHere = (
  request: unknown,
  written: Pick<NodeProbeRequest, 'token' | 'auth'> = {},
): Promise<NodeProbeAnswer> => {
  const rules = createAddressRules([])
  const log = createLog('probe', 'silent')
  return new NodeProbe({
    rules,
    adapters: () => adaptersForOneLook(rules, log),
    known: () => ({ ids: [], regions: [] }),
    tlsFiles: () => tlsFilesBeside(resolve('tidegate.yaml')),
  }).run(nodeProbeRequestSchema.parse(request), written)
}
