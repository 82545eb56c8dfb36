import type { TidegateNode } from '../part/node-face.ts'
import { drainCalls, type MetricsPage, nodeCalls } from './node-calls.ts'
import { proxyCalls } from './proxy-calls.ts'
import { pushCalls, tokenCalls } from './push-calls.ts'
import type { ControlCall } from './router.ts'
import { tunnelCalls } from './tunnel-calls.ts'

/** Every call of the control listener, beside the event stream. */
export const controlCalls = (node: TidegateNode, metrics: MetricsPage): ControlCall[] => [
  ...nodeCalls(node, metrics),
  ...tunnelCalls(node),
  ...proxyCalls(node),
  ...drainCalls(node),
  ...pushCalls(node),
  ...tokenCalls(node),
]
