import { z } from 'zod'
import { connectionListSchema } from '../answers/connection.ts'
import { heartbeatsSchema } from '../answers/heartbeats.ts'
import { nodeDetailSchema, nodeDocumentSchema, nodeSchema } from '../answers/node.ts'
import { nodeProbeSchema } from '../answers/node-probe.ts'
import { overviewSchema } from '../answers/overview.ts'
import { regionDetailSchema, regionSchema } from '../answers/region.ts'
import { tunnelPageSchema } from '../answers/tunnel.ts'
import { pageSchema } from '../parts.ts'
import { nodeProbeRequestSchema } from '../probe.ts'
import { line } from '../text.ts'
import { idParameter, pageParameters, pageQuery } from './parameters.ts'
import { idParam, route, V1, withId } from './route.ts'

const tag = 'Fleet'
const reasonSchema = z
  .object({ reason: line(500).describe('Why, for the audit').optional() })
  .strict()
  .meta({
    description: 'Why, where there is something to say',
    examples: [{ reason: 'stuck since the update' }],
  })

/** Overview, regions, nodes, and what runs on them. */
export const fleetRoutes = {
  getOverview: route({
    method: 'GET',
    path: `${V1}/overview`,
    tag,
    role: 'viewer',
    summary: 'Everything at a glance: whether all is well, and what is not',
    answer: overviewSchema,
  }),
  getHeartbeats: route({
    method: 'GET',
    path: `${V1}/heartbeats`,
    tag,
    role: 'viewer',
    summary: 'Recent polls: one strip for each region, or for each node of one region',
    query: z.object({ region: idParameter.optional() }).strict(),
    answer: heartbeatsSchema,
    errors: ['ERR_NOT_FOUND'],
  }),
  listRegions: route({
    method: 'GET',
    path: `${V1}/regions`,
    tag,
    role: 'viewer',
    summary: 'All regions',
    query: pageQuery,
    answer: pageSchema(regionSchema),
  }),
  getRegion: route({
    method: 'GET',
    path: `${V1}/regions/:id`,
    tag,
    role: 'viewer',
    summary: 'A region with its nodes',
    params: withId,
    answer: regionDetailSchema,
  }),
  listNodes: route({
    method: 'GET',
    path: `${V1}/nodes`,
    tag,
    role: 'viewer',
    summary: 'All nodes, or those of a region',
    query: z.object({ ...pageParameters, region: idParameter.optional() }).strict(),
    answer: pageSchema(nodeSchema),
  }),
  getNode: route({
    method: 'GET',
    path: `${V1}/nodes/:id`,
    tag,
    role: 'viewer',
    summary: 'A node with its listeners and its last document',
    params: withId,
    answer: nodeDetailSchema,
  }),
  getNodeHealth: route({
    method: 'GET',
    path: `${V1}/nodes/:id/health`,
    tag,
    role: 'viewer',
    summary:
      'The last document of a node: of a Tidegate node its health, of another kind whatever it answered',
    params: withId,
    answer: nodeDocumentSchema,
  }),
  probeNode: route({
    method: 'POST',
    path: `${V1}/nodes/probe`,
    tag,
    role: 'admin',
    summary:
      'Looks at a system that is not watched yet: what is understood of it, and the entry that would watch it',
    description:
      'An entry of `nodes` as far as it is known. `id`, `region` and `kind` may be left out; a kind is then guessed from `url`, `socket` or `address`. Nothing is changed.',
    body: nodeProbeRequestSchema,
    answer: nodeProbeSchema,
    errors: ['ERR_CAPACITY', 'ERR_NODE_UNREACHABLE'],
  }),
  invalidatePushSession: route({
    method: 'POST',
    path: `${V1}/nodes/:id/push/invalidate`,
    tag,
    role: 'operator',
    summary: "Closes a node's push session, so that it opens a fresh one",
    params: withId,
    body: reasonSchema,
    answer: nodeDetailSchema,
    errors: ['ERR_CONFLICT', 'ERR_UNSUPPORTED', 'ERR_NODE_UNREACHABLE', 'ERR_DRAINING'],
  }),
  listTunnels: route({
    method: 'GET',
    path: `${V1}/tunnels`,
    tag,
    role: 'viewer',
    summary: 'Every known host, registered or lost; a registered one says where it is now',
    query: z
      .object({
        ...pageParameters,
        region: idParameter.optional(),
        node: idParameter.optional(),
        state: z
          .enum(['registered', 'lost'])
          .describe('Only hosts that are registered now, or only those that are lost')
          .optional(),
      })
      .strict(),
    answer: tunnelPageSchema,
  }),
  kickTunnel: route({
    method: 'DELETE',
    path: `${V1}/tunnels/:hostId`,
    tag,
    role: 'operator',
    summary: 'Closes the tunnel of a host, which comes back by itself',
    params: z.object({ hostId: idParam.describe('Id of the host') }),
    body: reasonSchema,
    errors: ['ERR_CONFLICT', 'ERR_UNSUPPORTED', 'ERR_NODE_UNREACHABLE'],
  }),
  listConnections: route({
    method: 'GET',
    path: `${V1}/connections`,
    tag,
    role: 'viewer',
    summary: 'Open connections of a node, or of the whole fleet',
    description:
      'The nodes themselves are asked. There are no further pages: `total` says how many connections there are. For the whole fleet, nodes that gave no answer in time are named in `unknown`.',
    query: z
      .object({ ...pageParameters, node: z.string().min(1).max(63).describe('Only of this node').optional() })
      .strict(),
    answer: connectionListSchema,
    errors: ['ERR_NOT_FOUND', 'ERR_UNSUPPORTED', 'ERR_NODE_UNREACHABLE'],
  }),
  closeConnection: route({
    method: 'DELETE',
    path: `${V1}/connections/:node/:id`,
    tag,
    role: 'operator',
    summary: 'Closes one connection',
    params: z.object({
      node: idParam.describe('Id of the node'),
      id: idParam.describe('Id of the connection'),
    }),
    body: reasonSchema,
    errors: ['ERR_CONFLICT', 'ERR_UNSUPPORTED', 'ERR_NODE_UNREACHABLE'],
  }),
}
