import { z } from 'zod'
import { nodeCordonSchema, nodeDrainSchema } from '../../contract/node-api.ts'
import type { TidegateNode } from '../part/node-face.ts'
import { queryInteger } from './call.ts'
import { readEventCursor } from './event-cursor.ts'
import type { ControlCall } from './router.ts'

/** A page of metrics as Prometheus reads it. */
export type MetricsPage = () => Promise<{ type: string; content: string }>

const noBodySchema = z.object({ reason: z.string().max(500).optional() }).strict()

/** What every node answers about itself. */
export const nodeCalls = (node: TidegateNode, metrics: MetricsPage): ControlCall[] => [
  { method: 'GET', path: '/health', open: true, handle: () => ({ status: 200, body: node.health() }) },
  {
    method: 'GET',
    path: '/healthz/live',
    open: true,
    handle: () => ({ status: 200, body: { live: true } }),
  },
  {
    method: 'GET',
    path: '/healthz/ready',
    open: true,
    handle: () => {
      const readiness = node.readiness()
      return { status: readiness.ready ? 200 : 503, body: readiness }
    },
  },
  {
    method: 'GET',
    path: '/metrics',
    open: true,
    handle: async () => ({ status: 200, text: await metrics() }),
  },

  {
    method: 'GET',
    path: '/events',
    handle: ({ query }) => {
      const limit = queryInteger(query, 'limit', 100, 1_000)
      const { after, gap } = readEventCursor(query.get('after'), node.events)
      const slice = node.events.read(after, limit)
      return { status: 200, body: { ...slice, epoch: node.events.epoch, ...(gap === null ? {} : { gap }) } }
    },
  },
]

/** How a node is taken out of service and back. */
export const drainCalls = (node: TidegateNode): ControlCall[] => [
  {
    method: 'POST',
    path: '/drain',
    handle: async (call) => ({
      status: 202,
      body: await node.beginDrain(await call.body(nodeDrainSchema)),
    }),
  },
  {
    method: 'POST',
    path: '/resume',
    handle: async (call) => {
      await call.body(noBodySchema)
      return { status: 200, body: await node.resume() }
    },
  },
  {
    method: 'POST',
    path: '/cordon',
    handle: async (call) => ({ status: 200, body: await node.cordon(await call.body(nodeCordonSchema)) }),
  },
]
