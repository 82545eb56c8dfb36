import { z } from 'zod'
import { AppError, line } from '../contract/index.ts'
import type { Access } from './access.ts'
import { ConnectionLists } from './connection-lists.ts'
import type { ApiApp, ApiContext, ApiOptions } from './context.ts'
import { noSuch, pageOf, pageParameters, pageQuery, readBody, readQuery } from './input.ts'

const reasonSchema = z.object({ reason: line(500).optional() }).strict()
const nodesQuery = z.object({ ...pageParameters, region: z.string().max(63).optional() }).strict()
const heartbeatsQuery = z.object({ region: z.string().max(63).optional() }).strict()
const tunnelsQuery = z
  .object({
    ...pageParameters,
    region: z.string().max(63).optional(),
    node: z.string().max(63).optional(),
    state: z.enum(['registered', 'lost']).optional(),
  })
  .strict()
const connectionsQuery = z.object({ ...pageParameters, node: z.string().min(1).max(63).optional() }).strict()

/** The reason of a kick, where the caller gave one. */
const reasonOf = async (context: ApiContext): Promise<string> =>
  (await readBody(context, reasonSchema)).reason ?? 'closed by an operator'

/** Overview, regions, nodes, and what runs on them. */
export const addFleet = (app: ApiApp, { needs }: Access, { collector }: ApiOptions): void => {
  const knownNode = (id: string) => {
    const node = collector.node(id)
    if (node === null) throw noSuch('node', id)
    return node
  }

  const lists = new ConnectionLists({
    connections: (node, limit) => collector.connections(node, limit),
    nodes: () => collector.nodes().map(({ id }) => id),
  })

  app.get(
    '/overview',
    needs('viewer', (c) => c.json(collector.overview())),
  )

  app.get(
    '/heartbeats',
    needs('viewer', (c) => {
      const { region } = readQuery(c, heartbeatsQuery)
      if (region !== undefined && !collector.regions().some((each) => each.id === region))
        throw noSuch('region', region)
      return c.json(collector.heartbeats(region))
    }),
  )

  app.get(
    '/regions',
    needs('viewer', (c) =>
      c.json(pageOf('regions', collector.regions(), (region) => region.id, readQuery(c, pageQuery))),
    ),
  )
  app.get(
    '/regions/:id',
    needs('viewer', (c) => {
      const id = c.req.param('id') ?? ''
      const region = collector.regions().find((each) => each.id === id)
      if (!region) throw noSuch('region', id)
      return c.json({ ...region, nodeList: collector.nodes().filter((node) => node.region === id) })
    }),
  )

  app.get(
    '/nodes',
    needs('viewer', (c) => {
      const query = readQuery(c, nodesQuery)
      const nodes = collector
        .nodes()
        .filter((node) => query.region === undefined || node.region === query.region)
      return c.json(pageOf('nodes', nodes, (node) => node.id, query))
    }),
  )
  app.get(
    '/nodes/:id',
    needs('viewer', (c) => c.json(knownNode(c.req.param('id') ?? ''))),
  )
  app.get(
    '/nodes/:id/health',
    needs('viewer', (c) => {
      const { id } = knownNode(c.req.param('id') ?? '')
      const health = collector.health(id)
      if (health === null)
        throw new AppError('ERR_NOT_FOUND', `Node ${id} has given no usable answer yet`, { id })
      return c.json(health)
    }),
  )
  app.post(
    '/nodes/:id/push/invalidate',
    needs('operator', async (c, caller) => {
      const { id } = knownNode(c.req.param('id') ?? '')
      await collector.invalidatePushSession(id, await reasonOf(c), caller)
      return c.json(knownNode(id))
    }),
  )

  app.get(
    '/tunnels',
    needs('viewer', (c) => {
      const { region, node, state, ...page } = readQuery(c, tunnelsQuery)
      const wanted = collector
        .tunnels()
        .filter(
          (tunnel) =>
            (region === undefined || tunnel.region === region) &&
            (node === undefined || tunnel.node === node),
        )
        .filter((tunnel) => state === undefined || tunnel.state === state)
      return c.json(pageOf('tunnels', wanted, (tunnel) => tunnel.hostId, page))
    }),
  )
  app.delete(
    '/tunnels/:hostId',
    needs('operator', async (c, caller) => {
      const hostId = c.req.param('hostId') ?? ''
      if (!collector.tunnels().some((tunnel) => tunnel.hostId === hostId)) throw noSuch('host', hostId)
      await collector.kickTunnel(hostId, await reasonOf(c), caller)
      return c.body(null, 204)
    }),
  )

  app.get(
    '/connections',
    needs('viewer', async (c) => {
      const { node, limit = 100 } = readQuery(c, connectionsQuery)
      if (node !== undefined)
        return c.json({ ...(await lists.ofNode(knownNode(node).id, limit)), nextCursor: null })
      // Of the whole fleet: what a node does not tell is named, not passed off as none.
      return c.json({ ...(await lists.ofFleet(limit)), nextCursor: null })
    }),
  )
  app.delete(
    '/connections/:node/:id',
    needs('operator', async (c, caller) => {
      const node = knownNode(c.req.param('node') ?? '')
      await collector.closeConnection(node.id, c.req.param('id') ?? '', await reasonOf(c), caller)
      return c.body(null, 204)
    }),
  )
}
