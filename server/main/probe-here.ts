import { createAddressRules } from '../collector/adapters/address.ts'
import { adaptersForOneLook, NodeProbe } from '../collector/probe/node-probe.ts'
import type { NodeProbeAnswer } from '../contract/answers/node-probe.ts'
import { nodeProbeRequestSchema } from '../contract/probe.ts'
import { createLog } from '../observe/log.ts'

/** Looks at a system from this machine; no server is needed. Rejects like {@link NodeProbe.run}. */
export const probeHere = (request: unknown): Promise<NodeProbeAnswer> => {
  const rules = createAddressRules([])
  const log = createLog('probe', 'silent')
  return new NodeProbe({
    rules,
    adapters: () => adaptersForOneLook(rules, log),
    known: () => ({ ids: [], regions: [] }),
  }).run(nodeProbeRequestSchema.parse(request))
}
