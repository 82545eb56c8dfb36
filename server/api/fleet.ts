import type { fleetRoutes } from '../contract/api/fleet.ts'
import { AppError } from '../contract/index.ts'
import { ConnectionLists } from './connection-lists.ts'
import type { ApiOptions } from './context.ts'
import { noSuch, pageOf } from './input.ts'
import type { Handlers } from './serve.ts'

/** The reason of a kick, where the caller gave one. */
const reasonOf = async (body: () => Promise<{ reason?: string | undefined }>): Promise<string> =>
  (await body()).reason ?? 'closed by an operator'

/** Overview, regions, nodes, and what runs on them. */
export const fleetHandlers = ({ collector }: ApiOptions): Handlers<typeof fleetRoutes> => {
  const knownNode = (id: string) => {
    const node = collector.node(id)
    if (node === null) throw noSuch('node', id)
    return node
  }
  const knownRegion = (id: string) => {
    const region = collector.regions().find((each) => each.id === id)
    if (region === undefined) throw noSuch('region', id)
    return region
  }
  const lists = new ConnectionLists({
    connections: (node, limit) => collector.connections(node, limit),
    nodes: () => collector.nodes().map(({ id }) => id),
  })

  return {
    getOverview: () => collector.overview(),
    getHeartbeats: ({ query: { region } }) =>
      collector.heartbeats(region === undefined ? undefined : knownRegion(region).id),
    listRegions: ({ query }) => pageOf('regions', collector.regions(), (region) => region.id, query),
    getRegion: ({ params }) => ({
      ...knownRegion(params.id),
      nodeList: collector.nodes().filter((node) => node.region === params.id),
    }),
    listNodes({ query }) {
      const nodes = collector
        .nodes()
        .filter((node) => query.region === undefined || node.region === query.region)
      return pageOf('nodes', nodes, (node) => node.id, query)
    },
    getNode: ({ params }) => knownNode(params.id),
    getNodeHealth({ params }) {
      const { id } = knownNode(params.id)
      const health = collector.health(id)
      if (health !== null && health !== undefined) return health
      throw new AppError('ERR_NOT_FOUND', `Node ${id} has given no usable answer yet`, { id })
    },
    probeNode: async ({ body, caller }) => collector.probe(await body(), caller),
    async invalidatePushSession({ params, body, caller }) {
      const { id } = knownNode(params.id)
      await collector.invalidatePushSession(id, await reasonOf(body), caller)
      return knownNode(id)
    },

    listTunnels({ query: { region, node, state, ...page } }) {
      const wanted = collector
        .tunnels()
        .filter(
          (tunnel) =>
            (region === undefined || tunnel.region === region) &&
            (node === undefined || tunnel.node === node),
        )
        .filter((tunnel) => state === undefined || tunnel.state === state)
      return pageOf('tunnels', wanted, (tunnel) => tunnel.hostId, page)
    },
    async kickTunnel({ params: { hostId }, body, caller }) {
      if (!collector.tunnels().some((tunnel) => tunnel.hostId === hostId)) throw noSuch('host', hostId)
      await collector.kickTunnel(hostId, await reasonOf(body), caller)
    },

    async listConnections({ query: { node, limit = 100 } }) {
      if (node !== undefined) return { ...(await lists.ofNode(knownNode(node).id, limit)), nextCursor: null }
      // For the whole fleet, nodes that give no list are named, not counted as having no connections.
      return { ...(await lists.ofFleet(limit)), nextCursor: null }
    },
    async closeConnection({ params, body, caller }) {
      const node = knownNode(params.node)
      await collector.closeConnection(node.id, params.id, await reasonOf(body), caller)
    },
  }
}
